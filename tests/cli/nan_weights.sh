# A weight that is not a number: the value and the node that reads it are named.
quantize_with "$DATA/models/nan_weights.onnx" "{}" --images "$SAMPLE/calib"
