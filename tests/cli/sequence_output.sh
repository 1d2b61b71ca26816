# An output that is no tensor rides along; the others are judged.
quantize_with "$DATA/models/sequence_output.onnx" '{"representative_dataset": {"preprocess": {"resize": {"stretch": [8, 8]}, "mean": 127}}}' \
  --images "$SAMPLE/calib" --set /representative_dataset/max_images=8
