# Integer weights alone: no images needed, every node in float, and the mode as the reason.
"$QCONVERT" "$SAMPLE/model.onnx" --set /mode=weight_only -o out --explain 'block1/pointwise/conv'
before=$(wc -c < "$SAMPLE/model.onnx")
after=$(wc -c < out/model.quant.onnx)
[ $((after * 100)) -le $((before * 40)) ] || fail "$after bytes after $before"
grep -q 'QuantizeLinear' out/model.quant.onnx && fail "something is rounded"
true
