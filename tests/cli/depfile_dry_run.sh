"$QCONVERT" "$SAMPLE/model.onnx" --dry-run --depfile out.d
