# Nothing to calibrate on: neither the config nor the command line names a folder.
quantize_with "$SAMPLE/model.onnx" "{}"
