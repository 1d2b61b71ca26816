# 4-bit weights by the preset's rules: a smaller file that still runs on integer kernels, bits by layer in the report.
quantize_sample --set /placement=full -q > /dev/null
eight=$(wc -c < out/model.quant.onnx)
rules=$(sed -n '/"bit_width_config"/,/^  \]/p' "$DATA/../../configs/w4a8.json" | sed 's/"bit_width_config": //')
quantize_sample --set /placement=full --set "/bit_width_config=$rules" --explain 'block1/pointwise/*'
four=$(wc -c < out/model.quant.onnx)
[ "$four" -lt $((eight - 7000)) ] || fail "$four bytes after $eight"
rows=$(awk '/"rows": \[/ { inside = 1 } inside && /^      \]/ { inside = 0 }
            inside && /"bytes":/ { gsub(/[^0-9]/, ""); sum += $0 } END { print sum + 0 }' out/model.report.json)
[ "$rows" = "$four" ] || fail "the rows add up to $rows, the file has $four"
grep -q '"weight_bits": 4' out/model.report.json || fail "no layer of 4 bits in the report"
grep -q '"weight_bits": 8' out/model.report.json || fail "no layer of 8 bits in the report"
grep -q '"place": "/bit_width_config/1"' out/model.report.json || fail "no resolved rules in the report"
grep -q '"weighted_on_integer_kernels": 14' out/model.report.json || fail "not all layers run on integers"
