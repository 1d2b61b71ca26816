# What a .tflite cannot hold is refused before any work.
"$QCONVERT" "$SAMPLE/model.onnx" --set /mode=weight_only --format tflite -o out
