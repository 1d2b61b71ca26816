"$QCONVERT" "$SAMPLE/model.onnx" --config nowhere.json -o out
