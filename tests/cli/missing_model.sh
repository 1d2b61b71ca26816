# A path where there is nothing.
quantize_with nowhere/model.onnx "{}" --images "$SAMPLE/calib"
