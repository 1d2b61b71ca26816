# A key that does not exist is an error with the nearest one that does.
quantize_with "$SAMPLE/model.onnx" "{\"quantization_config\": {\"activation_eror_method\": \"MSE\"}}"
