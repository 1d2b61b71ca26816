# The report states the size of the file as it is on disk, and its rows add up to it.
quantize_sample --report json > stdout.json
cmp stdout.json out/model.report.json
size=$(wc -c < out/model.quant.onnx)
grep -q "\"size\": $size\b" out/model.report.json || fail "size $size is not in the report"
rows=$(awk '/"rows": \[/ { inside = 1 } inside && /^      \]/ { inside = 0 }
            inside && /"bytes":/ { gsub(/[^0-9]/, ""); sum += $0 } END { print sum + 0 }' out/model.report.json)
[ "$rows" = "$size" ] || fail "the rows add up to $rows, the file has $size"
kinds=$(awk '/"bytes_by_kind": {/ { inside = 1; next } inside && /}/ { inside = 0 }
             inside { sub(/.*: /, ""); sub(/,/, ""); sum += $0 } END { print sum + 0 }' out/model.report.json)
[ "$kinds" = "$size" ] || fail "the kinds add up to $kinds, the file has $size"
