quantize_with "$SAMPLE/model.onnx" "{\"representative_dataset\": {\"max_images\": \"many\"}}"
