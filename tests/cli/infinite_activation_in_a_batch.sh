# One black picture among others of its batch: the logarithm of 0 is named, and that picture.
mkdir pictures
for n in 0 1 2 3 4 5 6 7 8 9; do
  byte='\100'
  [ $n = 2 ] && byte='\0'
  { printf 'P6\n8 8\n255\n'; for pixel in $(seq 192); do printf "$byte"; done; } > "pictures/$n.ppm"
done
quantize_with "$DATA/models/nan_activation.onnx" \
  '{"representative_dataset": {"batch_size": 4, "preprocess": {"resize": {"stretch": [8, 8]}}}}' --images pictures
