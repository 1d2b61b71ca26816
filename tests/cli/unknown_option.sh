quantize_sample --formt onnx
