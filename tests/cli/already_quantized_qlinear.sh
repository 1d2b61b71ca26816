# Quantizing twice adds the errors of both: refused with a hint.
quantize_with "$DATA/models/already_qlinear.onnx" "{}" --images "$SAMPLE/calib"
