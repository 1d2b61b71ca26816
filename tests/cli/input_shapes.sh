# Height and width fixed by the config; -1 leaves the batch as the model has it, in the written file too.
quantize_with "$DATA/models/any_size.onnx" '{"input_shapes": {"image": [-1, 3, 16, 24]}}' \
  --images "$SAMPLE/calib" --set /representative_dataset/max_images=8
"$QCONVERT" inspect out/any_size.quant.onnx
