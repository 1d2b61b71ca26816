# Nothing is written, and the pictures are not read.
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --dry-run --images "$DATA" -o out
test ! -e out
