# Limits of the config mean nothing to the frontier, and that is said.
"$QCONVERT" frontier "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out --no-progress \
  --set /representative_dataset/max_images=12 --set /mixed_precision_config/sensitivity=gram \
  --set /target_resource_utilization/weights_memory=60%
