# Where the files lie and in what order the folder was filled is no part of the input.
mkdir -p elsewhere/sample/calib
cp "$SAMPLE/model.onnx" "$SAMPLE/config.json" elsewhere/sample/
for file in $(ls -r "$SAMPLE/calib"); do cp "$SAMPLE/calib/$file" elsewhere/sample/calib/; done
quantize_sample
cd elsewhere
"$QCONVERT" sample/model.onnx --config sample/config.json -o out --set /representative_dataset/max_images=24
cmp out/model.quant.onnx ../out/model.quant.onnx
cmp out/model.report.json ../out/model.report.json
