# Not ONNX at all.
printf "Dear reader,\nthis is a letter.\n" > letter.onnx
quantize_with letter.onnx "{}" --images "$SAMPLE/calib"
