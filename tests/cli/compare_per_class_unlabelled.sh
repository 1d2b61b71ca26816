"$QCONVERT" compare nowhere.onnx nowhere.onnx --per-class
