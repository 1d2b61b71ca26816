# Codebook weights: as small as 4 bits, closer to float, on integer kernels, and what the plan's simulation says.
nearest="--set /gptq_config/method=bias_correction"  # the other correction moves along an even grid only
quantize_sample --set /placement=full $nearest --set '/bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": 4}]' -q > /dev/null
db() { sed -n 's/.*"worst_sqnr_db": \([-0-9.]*\).*/\1/p' out/model.report.json; }
even=$(db)
even_size=$(wc -c < out/model.quant.onnx)
quantize_sample --set /placement=full $nearest --set '/debug_config/network_editor=[{"filter": {"name": "*"},
  "action": {"weights_quantization_method": "LUT_SYM_QUANTIZER", "weights_n_bits": 4}}]' -q > /dev/null
book=$(db)
size=$(wc -c < out/model.quant.onnx)
awk -v a="$even" -v b="$book" 'BEGIN { exit !(b > a) }' || fail "$book dB with codebooks, $even dB with an even grid"
[ "$size" -lt $((even_size + 1000)) ] || fail "$size bytes with codebooks, $even_size with an even grid"
grep -q '"weighted_on_integer_kernels": 14' out/model.report.json || fail "not all layers run on integers"
grep -q '"place": "/debug_config/network_editor/0"' out/model.report.json || fail "no resolved rules in the report"
grep -q '"weight_bits": 4' out/model.report.json || fail "no layer of 4 bits in the report"
