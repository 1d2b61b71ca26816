# What changes nothing is said: a note for each key, a warning where one thing was asked for by name.
quantize_with "$SAMPLE/model.onnx" '{"mode": "weight_only", "placement": {"rules": [{"filter": {"op_type": "Conv"}, "placement": "integer"}]},
  "quantization_config": {"z_threshold": 8}, "output": {"tflite": {"io_type": "uint8"}}}'
