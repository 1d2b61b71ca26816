# What TFLite has no op for: every node at once, each with a remedy, and no file.
"$QCONVERT" "$DATA/models/no_tflite.onnx" --format tflite --set /output/tflite/form=float32 -o out
