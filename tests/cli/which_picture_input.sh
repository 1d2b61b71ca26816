# Two inputs could take the pictures: the config must say which, and both are named.
quantize_with "$DATA/models/two_pictures.onnx" "{}" --images "$SAMPLE/calib"
