# A TargetPlatformCapabilities file with several widths for activations: without a budget the base configuration holds;
# budgets for activations make results narrow (4 bits) or, where there is room, wide (16 bits); the same bytes on any
# number of threads; files that stock runtimes compute as predicted.
tpc=$DATA/targets/tpc_widths.json
results_of() {  # results with so many bits, by the report
  awk '/"output": \{/ { inside = 1 } inside && /"bits":/ { print; inside = 0 }' out/model.report.json | grep -c "\"bits\": $1,\?$" || true
}
quantize_sample --target "$tpc" -q > /dev/null
[ "$(results_of 8)" -gt 10 ] && [ "$(results_of 4)" = 0 ] && [ "$(results_of 16)" = 0 ] || fail "not the base configuration"

quantize_sample --target "$tpc" --set /target_resource_utilization/activation_memory=60% > narrow
[ "$(results_of 4)" -ge 1 ] || fail "no result of 4 bits"
[ "$(results_of 8)" -ge 5 ] || fail "all results have 4 bits"
grep -q "results within the budget: [0-9]* of 4 bits" narrow || fail "nothing is said of the choice"
mv out narrow.files
quantize_sample --target "$tpc" --set /target_resource_utilization/activation_memory=60% --threads 1 -q > /dev/null
cmp out/model.quant.onnx narrow.files/model.quant.onnx || fail "other bytes on one thread"
"$QCONVERT" compare "$SAMPLE/model.onnx" out/model.quant.onnx --config "$SAMPLE/config.json" --images "$SAMPLE/calib" \
  --latency-rounds 0 --gate 'agreement >= 70 %' -q > /dev/null

quantize_sample --target "$tpc" --set /target_resource_utilization/activation_memory=50000 -q > /dev/null
[ "$(results_of 16)" -ge 1 ] || fail "no result of 16 bits where there is room"
quantize_sample --target "$tpc" --set /target_resource_utilization/total_memory=70% -q > /dev/null
[ "$(results_of 4)" -ge 1 ] || fail "total memory makes no result narrow"
quantize_sample --target "$tpc" --set /target_resource_utilization/bops=40% -q > /dev/null
[ "$(results_of 4)" -ge 1 ] || fail "bit operations make no result narrow"

# By hand; and beside a .tflite, whose activations fill their type, all keep the target's own.
by_hand() { quantize_sample --target "$tpc" -q --set "/bit_width_config=[{\"filter\": {\"op_type\": \"Gemm\"}, \"activation_n_bits\": $1}]"; }
by_hand 16 > /dev/null
[ "$(results_of 16)" = 1 ] || fail "the rule was not heard"
by_hand 6 > /dev/null 2> refused && fail "a width was taken that the target does not have"
grep -q "write one of 4, 8, 16" refused || fail "no word on the widths that there are"
quantize_sample --target "$tpc" --format onnx,tflite --set /target_resource_utilization/bops=80% -q > /dev/null
[ "$(results_of 8)" -gt 10 ] && [ "$(results_of 4)" = 0 ] || fail "results of a .tflite are narrow"
quantize_sample --target "$tpc" --set /target_resource_utilization/activation_memory=40% -q > /dev/null 2> refused && fail "met"
grep -q "as narrow as the target has them" refused || fail "no word on what is in the way"
