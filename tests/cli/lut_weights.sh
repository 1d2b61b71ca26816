# Codebook weights: as small as 4 bits, closer to float however they are rounded, on integer kernels, and what the plan's
# simulation says. They are what the target has at 4 bits where no method is named.
db() { sed -n 's/.*"worst_sqnr_db": \([-0-9.]*\).*/\1/p' out/model.report.json; }
by() {  # method, correction, seed
  quantize_sample --set /representative_dataset/max_images=100 --set /placement=full --set "/gptq_config/method=$2" --set "/gptq_config/seed=$3" --set "/debug_config/network_editor=[{\"filter\":
    {\"name\": \"*\"}, \"action\": {\"weights_quantization_method\": \"$1\", \"weights_n_bits\": 4}}]" -q > /dev/null
}
# One draw of positions is worth half a decibel either way.
for correction in bias_correction second_order; do
  even= book=
  for seed in 2 1 0; do
    by SYMMETRIC $correction $seed
    even="$even $(db)"
    even_size=$(wc -c < out/model.quant.onnx)
    by LUT_SYM_QUANTIZER $correction $seed
    book="$book $(db)"
  done
  size=$(wc -c < out/model.quant.onnx)
  awk -v a="$even" -v b="$book" 'BEGIN { split(a, x, " "); split(b, y, " "); exit !(y[1] + y[2] + y[3] > x[1] + x[2] + x[3]) }' || fail "$correction: $book dB with codebooks, $even dB with an even grid"
  [ "$size" -lt $((even_size + 1000)) ] || fail "$size bytes with codebooks, $even_size with an even grid"
done
grep -q '"weighted_on_integer_kernels": 14' out/model.report.json || fail "not all layers run on integers"
grep -q '"place": "/debug_config/network_editor/0"' out/model.report.json || fail "no resolved rules in the report"
grep -q '"weight_bits": 4' out/model.report.json || fail "no layer of 4 bits in the report"
quantize_sample --set /representative_dataset/max_images=100 --set /placement=full --set '/bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": 4}]' -q > /dev/null
[ "$(db)" = "${book##* }" ] || fail "$(db) dB where no method is named, ${book##* } dB with codebooks"
