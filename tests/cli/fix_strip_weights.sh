# Weights that are stored as no integer kernel reads them - in blocks, packed - have a float model behind them as well.
check() {
  "$QCONVERT" fix --strip "out/model.quant.onnx" -o float -q > /dev/null
  "$QCONVERT" compare out/model.quant.onnx float/model.quant.quant.onnx --config "$SAMPLE/config.json" \
    --images "$SAMPLE/calib" --max-images 8 --latency-rounds 0 --gate "sqnr_db >= $1"
}
quantize_sample --set /mode=weight_only --set /weight_only/block_size=32 --set /weight_only/runtime=packed \
  --set '/bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": 4}]' -q > /dev/null
check 60
quantize_sample --set /placement=full --set '/bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": 3}]' \
  -q > /dev/null
check 20
