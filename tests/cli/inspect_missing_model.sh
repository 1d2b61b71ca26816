"$QCONVERT" inspect nowhere.onnx
