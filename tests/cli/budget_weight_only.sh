# A budget of bytes where weights alone are integers: the same search, every activation in float, and pictures needed.
budget=(--set /mode=weight_only --set /target_resource_utilization/weights_memory=36000)
quantize_sample "${budget[@]}" --set /mixed_precision_config/sensitivity=gram
grep -q 'QuantizeLinear' out/model.quant.onnx && fail "something is rounded"
constants=$(awk '/"rows": \[/ { inside = 1 } inside && /^      \]/ { inside = 0 }
  inside && /"bytes":/ { gsub(/[^0-9]/, ""); bytes = $0 }
  inside && /"kind": "(weights|bias|scales|constants)"/ { sum += bytes } END { print sum + 0 }' out/model.report.json)
[ "$constants" -le 36000 ] || fail "$constants bytes written"
[ "$constants" -ge 34000 ] || fail "$constants bytes written of 36000"
"$QCONVERT" "$SAMPLE/model.onnx" "${budget[@]}" -o blind 2> blind.txt && fail "widths chosen without pictures"
grep -q 'no-images' blind.txt || fail "no word about pictures"
exit 0
