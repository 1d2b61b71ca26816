# Weights said to be outside the folder of the model: a file could read anything this way. It is not read, even though
# it is there.
mkdir inner
cp "$DATA/models/external_data_outside.onnx" inner/model.onnx
head -c 432 /dev/zero > outside.bin
quantize_with inner/model.onnx "{}" --images "$SAMPLE/calib"
