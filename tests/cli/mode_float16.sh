# Half the bytes; no images are needed, and where some are named the loss is measured: hardly any.
"$QCONVERT" "$SAMPLE/model.onnx" --set /mode=float16 -o alone -q > /dev/null
quantize_sample --set /mode=float16 --set /gates/min_sqnr_db=55
before=$(wc -c < "$SAMPLE/model.onnx")
for file in alone/model.quant.onnx out/model.quant.onnx; do
  after=$(wc -c < $file)
  [ $((after * 100)) -le $((before * 58)) ] || fail "$file: $after bytes after $before"
done
