# Gates whose figures cannot be had are said before any work, all at once.
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out --format tflite --set /gates/max_top1_drop=1 --set /gates/min_speedup=1
