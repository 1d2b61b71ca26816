# What a .tflite cannot hold is refused before any work.
"$QCONVERT" "$SAMPLE/model.onnx" --set /mode=bfloat16 --format tflite -o out
