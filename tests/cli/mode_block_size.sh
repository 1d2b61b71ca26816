# No kernel takes blocks of 48; a rule's are looked at as well.
quantize_with "$SAMPLE/model.onnx" '{"mode": "weight_only", "weight_only": {"block_size": 48},
  "bit_width_config": [{"filter": {"name": "*"}, "weights_block_size": 7}]}'
