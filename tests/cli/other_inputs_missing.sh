# Nothing feeds the second input: the error names it and the key that does, and the key works (other_inputs.sh).
quantize_with "$DATA/models/picture_and_gains.onnx" '{}' --images "$SAMPLE/calib"
