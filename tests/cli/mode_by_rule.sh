# Three modes in one file: one product rounds its input at run time if that pays, one is stored in 16 bits, the others have integer
# weights.
quantize_with "$DATA/quantized/attention.onnx" '{"mode": "weight_only", "bit_width_config": [
  {"filter": {"name": "query"}, "mode": "dynamic"}, {"filter": {"name": "out"}, "mode": "float16"}]}' \
  --explain query --explain key
