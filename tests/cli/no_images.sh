mkdir pictures
quantize_with "$SAMPLE/model.onnx" "{\"representative_dataset\": {\"path\": \"pictures\"}}"
