# A folder that does not exist yet is made, with its parents.
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o new/folder --set /representative_dataset/max_images=8
test -s new/folder/model.quant.onnx && test -s new/folder/model.report.json
