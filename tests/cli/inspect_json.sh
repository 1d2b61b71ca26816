"$QCONVERT" inspect "$SAMPLE/model.onnx" --report json
