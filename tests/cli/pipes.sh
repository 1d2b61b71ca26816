# A pipe gives its bytes once: model and config are taken from one as well, whatever reads them, and how often.
model=$SAMPLE/model.onnx
few="-q --set /representative_dataset/max_images=8"
cat "$model" | "$QCONVERT" /dev/stdin --config "$SAMPLE/config.json" -o out $few > text
[ -s out/stdin.quant.onnx ] || fail "nothing was written"
cat "$SAMPLE/config.json" | "$QCONVERT" "$model" --config /dev/stdin --images "$SAMPLE/calib" -o out $few > text
grep -q 'centre crop 32x32' text || fail "the config was not read"
cmp out/model.quant.onnx out/stdin.quant.onnx
cat "$model" | "$QCONVERT" inspect /dev/stdin | grep -q ' 13 Conv,' || fail "inspect does not read it"
"$QCONVERT" "$model" --format tflite --set /output/tflite/form=float32 -o out -q > /dev/null
cat out/model.quant.tflite | "$QCONVERT" inspect /dev/stdin | grep -q 'CONV_2D' || fail "inspect does not see that it is a .tflite"
sizes() { "$QCONVERT" compare "$1" out/stdin.quant.onnx --config "$SAMPLE/config.json" --max-images 8 --latency-rounds 0 -q | awk '/^A/ {$2 = ""; print}'; }
[ "$(sizes "$model")" = "$(cat "$model" | sizes /dev/stdin)" ] || fail "other sizes than those of the file"
