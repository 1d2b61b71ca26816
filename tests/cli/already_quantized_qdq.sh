# Quantizing twice adds the errors of both: refused with a hint.
quantize_with "$DATA/models/already_qdq.onnx" "{}" --images "$SAMPLE/calib"
