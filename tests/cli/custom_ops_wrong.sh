# Every fault of a declaration at once, and a declaration that no node answers to.
quantize_with "$DATA/models/custom_ops.onnx" '{"custom_ops": [{"domain": "com.microsoft", "same_scale": [[0]]},
  {"domain": "ai.onnx", "op_type": "Conv"}, {"domain": "a", "op_type": "B", "same_scales": []}]}' || true
quantize_with "$DATA/models/custom_ops.onnx" '{"mode": "weight_only", "custom_ops": [{"domain": "com.microsoft", "op_type": "QuikGelu"}]}'
