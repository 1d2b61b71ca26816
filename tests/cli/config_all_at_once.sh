# Three different mistakes, one run: all are named.
quantize_with "$SAMPLE/model.onnx" "{\"quantisation_config\": {}, \"representative_dataset\": {\"max_images\": -5, \"path\": 7}}" > messages 2>&1 || code=$?
for place in /quantisation_config /representative_dataset/max_images /representative_dataset/path; do
  grep -q "^error\[.*$place" messages || { cat messages >&2; fail "$place is not named"; }
done
exit "${code:-0}"
