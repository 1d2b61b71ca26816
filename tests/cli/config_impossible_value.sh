# The type is right, the value cannot be meant: each is named by its pointer.
config='{"representative_dataset": {"preprocess": {"std": 0, "center_crop": [32, -1]}}, "gates": {"min_agreement": 98}}'
quantize_with "$SAMPLE/model.onnx" "$config" > messages 2>&1 || code=$?
for place in /representative_dataset/preprocess/std /representative_dataset/preprocess/center_crop /gates/min_agreement; do
  grep -q "^error\[.*$place" messages || { cat messages >&2; fail "$place is not named"; }
done
exit "${code:-0}"
