# A name that no folder takes is said before any work, with the key that makes it shorter; a link that leads to itself as
# what it is.
ln -s loop loop
code=0
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o loop 2> loop.txt || code=$?
grep -q "cannot-write" loop.txt || fail "$(cat loop.txt)"
[ "$code" = 4 ] || fail "exit code $code"
long=$(printf 'n%.0s' $(seq 240))
cp "$SAMPLE/model.onnx" "$long.onnx"
"$QCONVERT" "$long.onnx" --config "$SAMPLE/config.json" -o out --set /output/onnx_name=short.onnx --set /output/report_name=short.json \
  --set /representative_dataset/max_images=24
"$QCONVERT" "$long.onnx" --config "$SAMPLE/config.json" -o out2
