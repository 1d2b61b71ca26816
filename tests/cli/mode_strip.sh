# The float model behind a quantized one, by the config as by the command.
"$QCONVERT" "$DATA/quantized/ort_qdq.onnx" --set /mode=strip -o out -q > /dev/null
"$QCONVERT" fix "$DATA/quantized/ort_qdq.onnx" --strip -o by_command -q > /dev/null
cmp out/ort_qdq.quant.onnx by_command/ort_qdq.quant.onnx
grep -q QuantizeLinear out/ort_qdq.quant.onnx && fail "something is rounded"
true
