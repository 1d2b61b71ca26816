"$QCONVERT" inspect "$SAMPLE/model.onnx" --report markdown
