# Raising the opset knows the ranks that the file does not state: no Reshape around the Softmax.
quantize_with "$DATA/models/old_softmax.onnx" '{"representative_dataset": {"preprocess": {"resize": {"stretch": [8, 8]}, "mean": 127}}}' \
  --images "$SAMPLE/calib" --set /representative_dataset/max_images=8 --dump normalize -q
