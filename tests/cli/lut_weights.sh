# Codebook weights: as small as 4 bits, closer to float however they are rounded, on integer kernels, and what the plan's
# simulation says. They are what the target has at 4 bits where no method is named.
db() { sed -n 's/.*"worst_sqnr_db": \([-0-9.]*\).*/\1/p' out/model.report.json; }
by() {  # method, correction
  quantize_sample --set /representative_dataset/max_images=100 --set /placement=full --set "/gptq_config/method=$2" --set "/debug_config/network_editor=[{\"filter\":
    {\"name\": \"*\"}, \"action\": {\"weights_quantization_method\": \"$1\", \"weights_n_bits\": 4}}]" -q > /dev/null
}
for correction in bias_correction second_order; do
  by SYMMETRIC $correction
  even=$(db)
  even_size=$(wc -c < out/model.quant.onnx)
  by LUT_SYM_QUANTIZER $correction
  book=$(db)
  size=$(wc -c < out/model.quant.onnx)
  awk -v a="$even" -v b="$book" 'BEGIN { exit !(b > a) }' || fail "$correction: $book dB with codebooks, $even dB with an even grid"
  [ "$size" -lt $((even_size + 1000)) ] || fail "$size bytes with codebooks, $even_size with an even grid"
done
grep -q '"weighted_on_integer_kernels": 14' out/model.report.json || fail "not all layers run on integers"
grep -q '"place": "/debug_config/network_editor/0"' out/model.report.json || fail "no resolved rules in the report"
grep -q '"weight_bits": 4' out/model.report.json || fail "no layer of 4 bits in the report"
quantize_sample --set /representative_dataset/max_images=100 --set /placement=full --set '/bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": 4}]' -q > /dev/null
[ "$(db)" = "$book" ] || fail "$(db) dB where no method is named, $book dB with codebooks"
