# Models that are not the same network: both lists of ends, and what to compare instead.
"$QCONVERT" compare "$SAMPLE/model.onnx" "$DATA/models/two_pictures.onnx" --images "$SAMPLE/eval"
