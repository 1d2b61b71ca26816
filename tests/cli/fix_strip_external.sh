# The float model behind a file goes into two files as well, where one would be too large (here the limit is lowered).
quantize_sample --set /placement=full -q > /dev/null
"$QCONVERT" fix --strip out/model.quant.onnx -o whole -q > /dev/null
"$QCONVERT" fix --strip out/model.quant.onnx -o apart -q --set /output/external_data_above=10kB > /dev/null
[ -f apart/model.quant.quant.onnx.data ] || fail "no second file"
"$QCONVERT" compare whole/model.quant.quant.onnx apart/model.quant.quant.onnx --config "$SAMPLE/config.json" \
  --images "$SAMPLE/calib" --max-images 4 --latency-rounds 0 --gate "sqnr_db >= 100"
