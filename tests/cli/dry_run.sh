# Nothing is written, and no pictures are needed.
"$QCONVERT" "$SAMPLE/model.onnx" --dry-run -o out
test ! -e out
