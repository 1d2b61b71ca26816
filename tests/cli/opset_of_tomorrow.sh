# An opset that the linked runtime does not know: said with the newest one that it does.
quantize_with "$DATA/models/opset_of_tomorrow.onnx" '{}' --images "$SAMPLE/calib"
