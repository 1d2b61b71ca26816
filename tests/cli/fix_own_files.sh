# qconvert's own files: integers of 4 bits that nodes unpack are read again, and files without rounded activations have
# a float model behind them.
narrow='[{"filter": {"name": "*"}, "weights_n_bits": 4}]'
agree() {
  "$QCONVERT" compare "$1" "$2" --images "$SAMPLE/calib" --config "$SAMPLE/config.json" --max-images 8 \
    --latency-rounds 0 --gate "sqnr_db >= $3"
}
quantize_sample --set /placement=full --set "/bit_width_config=$narrow" -q > /dev/null
"$QCONVERT" fix out/model.quant.onnx --format onnx,tflite -o fixed
agree out/model.quant.onnx fixed/model.quant.quant.onnx 40
for mode in static weight_only float16; do
  quantize_sample --set "/mode=$mode" -q > /dev/null
  code=0
  "$QCONVERT" fix out/model.quant.onnx -o refused || code=$?
  [ "$code" = 2 ] || fail "exit code $code of fix where no activation is rounded ($mode)"
  "$QCONVERT" fix --strip out/model.quant.onnx -o "$mode" -q > /dev/null
  agree out/model.quant.onnx "$mode/model.quant.quant.onnx" 80
done
