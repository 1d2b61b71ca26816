# The printed default is a config that works as it is.
"$QCONVERT" config > default.json
"$QCONVERT" "$SAMPLE/model.onnx" --config default.json --images "$SAMPLE/calib" --set /representative_dataset/max_images=4 -o out
test -s out/model.quant.onnx
