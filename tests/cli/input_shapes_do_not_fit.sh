# Everything about input_shapes that cannot be, at once.
quantize_with "$DATA/models/any_size.onnx" '{"input_shapes": {"image": [-1, 4, 16, 24], "picture": [1, 3, 8, 8]}}' --images "$SAMPLE/calib"
