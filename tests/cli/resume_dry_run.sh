# A dry run corrects nothing, so there is nothing to go on from.
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --dry-run --resume
