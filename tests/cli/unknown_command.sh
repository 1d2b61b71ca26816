"$QCONVERT" inspekt "$SAMPLE/model.onnx"
