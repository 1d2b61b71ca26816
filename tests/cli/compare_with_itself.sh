# A model agrees with itself.
"$QCONVERT" compare "$SAMPLE/model.onnx" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --images "$SAMPLE/calib" --report json
