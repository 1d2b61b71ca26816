# Nodes without a name or with another's: each is judged by what really runs, and the file has no name twice.
quantize_with "$DATA/models/names_missing_and_twice.onnx" \
  '{"placement": "full", "representative_dataset": {"preprocess": {"resize": {"stretch": [32, 32]}, "mean": 127, "std": 60}}}' \
  --images "$SAMPLE/calib" --set /representative_dataset/max_images=16 --explain '*'
