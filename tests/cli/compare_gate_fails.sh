# Every gate is judged and printed; one that does not hold makes the exit code 5.
"$QCONVERT" compare "$SAMPLE/model.onnx" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --images "$SAMPLE/calib" --max-images 8 \
  --latency-rounds 0 --gate 'size_ratio <= 0.5' --gate 'agreement >= 99 %'
