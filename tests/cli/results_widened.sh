# A target with several widths for results, and a goal that 8 bits miss: results that matter most get 16, no more than
# reach it, the same on any number of threads; a goal out of reach is missed by less, and the exit code says so.
tpc=$DATA/targets/tpc_widths.json
wide_results() {
  awk '/"output": \{/ { inside = 1 } inside && /"bits":/ { print; inside = 0 }' out/model.report.json | grep -c '"bits": 16,\?$' || true
}
with_goal() { quantize_sample --target "$tpc" --set "/placement={\"min_sqnr_db\": $1}" "${@:2}"; }

with_goal 20 > said
[ "$(wide_results)" = 0 ] || fail "wide results, without need"
! grep -q "more bits" said || fail "a word on what was not done"

with_goal 28 > said
few=$(wide_results)
[ "$few" -ge 1 ] && [ "$few" -le 4 ] || fail "$few wide results for little more accuracy"
grep -q "results of more bits than the target's own, for the goal: '.*' (16).*: [0-9.]* dB -> 2[89]" said || fail "nothing is said"
mv out on_two
with_goal 28 --threads 1 -q > /dev/null
cmp out/model.quant.onnx on_two/model.quant.onnx || fail "other bytes on one thread"

with_goal 35 -q > /dev/null
[ "$(wide_results)" -gt "$few" ] || fail "a higher goal takes no more"
"$QCONVERT" compare "$SAMPLE/model.onnx" out/model.quant.onnx --config "$SAMPLE/config.json" --images "$SAMPLE/calib" \
  --latency-rounds 0 --gate 'sqnr_db >= 30' -q > /dev/null || fail "the written file is not what was promised"


rm -r out on_two
with_goal 60 > /dev/null
