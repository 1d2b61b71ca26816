# Weights said to be in a second file that nobody copied along.
quantize_with "$DATA/models/external_data_missing.onnx" "{}" --images "$SAMPLE/calib"
