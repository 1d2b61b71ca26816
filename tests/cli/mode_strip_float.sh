# There is nothing to take out of a float model.
"$QCONVERT" "$SAMPLE/model.onnx" --set /mode=strip -o out
