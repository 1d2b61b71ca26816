# Ranges chosen by what the outputs lose: asked for, tried and told, with the same bytes on any number of threads, and
# never worse in simulation, which kernels follow to a few tenths of a dB.
db() { sed -n 's/.*"worst_sqnr_db": \([-0-9.]*\).*/\1/p' "$1/model.report.json"; }
quantize_sample --set /placement=full --set /gptq_config/range_search=false -q > /dev/null && mv out plain
quantize_sample --set /placement=full --set /gptq_config/range_search=true --threads 1 -q > /dev/null && mv out one
quantize_sample --set /placement=full --set /gptq_config/range_search=true --threads 2 -q > /dev/null && mv out two
grep -q '"ranges by what the outputs lose"' one/model.report.json || fail "no word in the report"
grep -q '"ranges by what the outputs lose"' plain/model.report.json && fail "tried although the config says no"
cmp one/model.quant.onnx two/model.quant.onnx
awk -v a="$(db plain)" -v b="$(db one)" 'BEGIN { exit !(b > a - 0.3) }' || fail "$(db plain) dB, and $(db one) dB"
