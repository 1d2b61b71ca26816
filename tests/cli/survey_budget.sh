# A way that the config's budget excludes is a row that says why, and not the end of the survey.
"$QCONVERT" survey "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out --no-progress \
  --set /representative_dataset/max_images=12 --set /mixed_precision_config/sensitivity=gram \
  --set /target_resource_utilization/weights_memory=60%
"$QCONVERT" survey "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o bad --set /nonsense=1 2> bad.txt && fail "a bad config"
grep -q unknown-key bad.txt || fail "$(cat bad.txt)"
