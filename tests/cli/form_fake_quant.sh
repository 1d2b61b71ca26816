# Float weights on their grids: as large as the float model, and it computes what the integers do.
quantize_sample --target imx500 -q > /dev/null
mv out integers
quantize_sample --target imx500 --set /output/onnx/form=fake_quant -q > /dev/null
test "$(stat -c %s out/model.quant.onnx)" -gt "$(( $(stat -c %s "$SAMPLE/model.onnx") * 9 / 10 ))" || fail "weights are packed"
"$QCONVERT" compare integers/model.quant.onnx out/model.quant.onnx --config "$SAMPLE/config.json" --images "$SAMPLE/eval" --max-images 20 \
  --latency-rounds 0 --gate 'sqnr_db >= 25' --gate 'agreement >= 95%'
