# The runtime's integer ops instead of Q and DQ around float ones: the same integers, and nothing for the runtime to join.
# With standard ops alone those of com.microsoft keep Q and DQ.
quantize_sample --set /placement=full -q > /dev/null
mv out/model.quant.onnx qdq.onnx
for only in false true; do
  quantize_sample --set /placement=full --set /output/onnx/form=qoperator --set /output/onnx/standard_ops_only=$only -q > /dev/null
  mv out/model.quant.onnx qoperator_$only.onnx
  "$QCONVERT" compare qdq.onnx qoperator_$only.onnx --config "$SAMPLE/config.json" --images "$SAMPLE/eval" --max-images 20 \
    --latency-rounds 0 --gate 'sqnr_db >= 35' --gate 'agreement >= 0.95' -q > /dev/null
done
grep -q QLinearConv qoperator_false.onnx || fail "no QLinearConv"
grep -q QLinearAdd qoperator_false.onnx || fail "no QLinearAdd"
grep -q QLinearAdd qoperator_true.onnx && fail "QLinearAdd is of com.microsoft"
grep -q com.microsoft qoperator_true.onnx && fail "an op of com.microsoft with standard_ops_only"
true
