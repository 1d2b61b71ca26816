# Without pictures, with a zero point for each block, of narrow widths: smaller than 8 bits, and nothing is rounded.
"$QCONVERT" "$DATA/quantized/attention.onnx" --set /mode=weight_only -o out -q > /dev/null
eight=$(wc -c < out/attention.quant.onnx)
for bits in 2 3 4 5; do
  "$QCONVERT" "$DATA/quantized/attention.onnx" --set /mode=weight_only --set /weight_only/bits=$bits \
    --set /weight_only/block_size=32 --set /weight_only/symmetric=false -o out -q > /dev/null
  after=$(wc -c < out/attention.quant.onnx)
  [ $after -lt $eight ] || fail "$bits bits: $after bytes, 8 bits: $eight"
done
