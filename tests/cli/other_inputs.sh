# A model with a second input beside the picture: an .npz gives it, named relative to the config.
cp "$DATA/other_inputs/gains.npz" .
quantize_with "$DATA/models/picture_and_gains.onnx" \
  '{"representative_dataset": {"other_inputs": "gains.npz", "preprocess": {"resize": {"stretch": [8, 8]}, "mean": 127, "std": 60}}}' \
  --images "$SAMPLE/calib" --set /representative_dataset/max_images=24
grep -q '"other_inputs": "gains.npz"' out/picture_and_gains.report.json || fail "the report does not name the file"
"$QCONVERT" compare "$DATA/models/picture_and_gains.onnx" out/picture_and_gains.quant.onnx --config config.json \
  --images "$SAMPLE/calib" --max-images 8 --latency-rounds 0
