# A .tflite has one form for all nodes, and neither blocks nor floats of a stripped model.
quantize_with "$SAMPLE/model.onnx" '{"output": {"formats": ["tflite"]},
  "bit_width_config": [{"filter": {"name": "*"}, "mode": "dynamic", "weights_block_size": 32}]}'
