# Activations rounded at run time: products of an attention layer and an LSTM, each in the op that the runtime has.
"$QCONVERT" "$DATA/quantized/attention.onnx" --set /mode=dynamic -o out
"$QCONVERT" "$DATA/quantized/lstm.onnx" --set /mode=dynamic -o out
"$QCONVERT" "$DATA/quantized/gru.onnx" --set /mode=dynamic -o out
grep -q DynamicQuantizeLSTM out/lstm.quant.onnx || fail "the LSTM is not dynamic"
for model in attention lstm gru; do
  before=$(wc -c < "$DATA/quantized/$model.onnx")
  after=$(wc -c < out/$model.quant.onnx)
  [ $((after * 100)) -le $((before * 45)) ] || fail "$model: $after bytes after $before"
done
