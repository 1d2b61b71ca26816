# 4 bits with a scale for each 32 weights of a channel: unfolded at load, kept packed, and kept packed by standard ops
# alone. The first two compute the same; the third rounds activations at run time, which is the runtime's way.
for form in folded packed standard; do
  sets=(--set /weight_only/runtime=$([ $form = folded ] && echo folded || echo packed))
  [ $form = standard ] && sets+=(--set /output/onnx/standard_ops_only=true)
  quantize_sample --set /mode=weight_only --set /weight_only/block_size=32 "${sets[@]}" -q > /dev/null
  mv out/model.quant.onnx $form.onnx
done
grep -q MatMulNBits packed.onnx || fail "nothing stays packed"
grep -q MatMulNBits folded.onnx && fail "something stays packed"
grep -q com.microsoft standard.onnx && fail "an op of com.microsoft with standard_ops_only"
grep -q block_size standard.onnx || fail "no blocks behind DequantizeLinear"
compare() {
  "$QCONVERT" compare "$1" "$2" --config "$SAMPLE/config.json" --images "$SAMPLE/eval" --max-images 20 --latency-rounds 0 \
    --gate "sqnr_db >= $3" -q > /dev/null
}
compare folded.onnx packed.onnx 90
compare folded.onnx standard.onnx 30
compare "$SAMPLE/model.onnx" folded.onnx 20
