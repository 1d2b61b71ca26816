# A config without a folder, the folder by --images; paths of the command line are relative to where one stands.
sed "/\"path\"/d" "$SAMPLE/config.json" > config.json
cp -r "$SAMPLE/calib" here
"$QCONVERT" "$SAMPLE/model.onnx" --config config.json --images here -o out --set /representative_dataset/max_images=8
test -s out/model.quant.onnx
