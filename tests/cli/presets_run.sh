# Every preset for classifiers converts; here with the sample's pictures and their preparation.
for preset in "$DATA"/../../configs/int8*.json "$DATA"/../../configs/imx500.json; do
  "$QCONVERT" "$SAMPLE/model.onnx" --config "$preset" --images "$SAMPLE/calib" -o "out/$(basename "$preset" .json)" -q \
    --set /representative_dataset/max_images=24 --set '/representative_dataset/preprocess/resize=null' \
    --set /representative_dataset/preprocess/center_crop=null --set /gates/min_agreement=null \
    --set /representative_dataset/preprocess/mean=128 --set /representative_dataset/preprocess/std=64 ||
    fail "$(basename "$preset")"
  ls "out/$(basename "$preset" .json)" | grep -q '\.quant\.' || fail "$(basename "$preset") wrote no model"
done
