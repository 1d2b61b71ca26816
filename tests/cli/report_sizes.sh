# The report states the size of the file as it is on disk, and its rows add up to it.
quantize_sample --report json > stdout.json
cmp stdout.json out/model.report.json
size=$(wc -c < out/model.quant.onnx)
grep -q "\"size\": $size\b" out/model.report.json || fail "size $size is not in the report"
