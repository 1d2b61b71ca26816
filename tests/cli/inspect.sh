# No pictures needed.
"$QCONVERT" inspect "$SAMPLE/model.onnx"
