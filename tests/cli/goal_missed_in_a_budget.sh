# Where bytes are bounded, by a budget or a pick, a missed goal asks for more of them, not for wider weights that do not
# fit; and what the remedy says to run reaches the goal.
few="--set /representative_dataset/max_images=20 -q --no-progress"
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out $few --set /target_resource_utilization/weights_memory=45%
"$QCONVERT" frontier "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out $few --pick '<= 22 kB'
"$QCONVERT" frontier "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out $few --pick 'sqnr >= 20'
