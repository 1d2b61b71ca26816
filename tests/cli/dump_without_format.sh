# A dump of a file that is not written.
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out -q --dump tflite
