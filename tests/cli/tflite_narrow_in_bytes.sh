# Narrow weights that a .tflite cannot pack are said to take a byte each; those that it packs are not.
run() {
  "$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --target litert --format tflite -o out --no-progress \
    --set /representative_dataset/max_images=24 --set '/bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": 4}]' "$@"
}
run --set /output/tflite/form=int16x8 | grep -q 'take a byte each in the .tflite' || fail "no word about it"
run | grep -q 'take a byte each' && fail "they are packed"
exit 0
