# The .tflite is the one that is judged.
"$QCONVERT" compare "$DATA/tflite/classifier.tflite" "$SAMPLE/model.onnx" --images "$SAMPLE/eval"
