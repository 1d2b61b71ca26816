# One rule: what is written first depends on the model, the config, a target file and every picture.
"$QCONVERT" targets int8 --report json > own.json
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --target own.json -o out -q --depfile out.d --set /representative_dataset/max_images=20 > report.txt
sed -n '1,/^$/p' out.d
test "$(sed -n '1,/^$/p' out.d | grep -c '/calib/')" = 20 || fail "not every picture"
