# What does not fit into one ONNX file (2 GiB; here the limit is lowered) goes into a second one beside it: named for the
# model, read back by everyone, and the same numbers.
quantize_sample
mv out whole
quantize_sample --set /output/external_data_above=10kB --report json > stdout.json
data=$(wc -c < out/model.quant.onnx.data) model=$(wc -c < out/model.quant.onnx)
[ "$data" -gt 30000 ] && [ "$model" -lt 25000 ] || fail "$model bytes in the model, $data in the data file"
grep -q "\"size\": $((data + model))\b" out/model.report.json || fail "the report has another size than both files"
"$QCONVERT" compare whole/model.quant.onnx out/model.quant.onnx --config "$SAMPLE/config.json" --max-images 4 --latency-rounds 0
