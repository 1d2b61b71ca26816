# "activation_n_bits": [8, 16]: the results that the worst output gains most from are wider, no more than the share or
# the goal asks for; what was chosen and why is said; the same bytes on any number of threads; a share of nothing is no
# list at all.
list() { printf '/bit_width_config=[{"filter": {"name": "*"}, "activation_n_bits": %s}]' "${1:-[8, 16]}"; }
share() { printf '/mixed_precision_config/max_wide_share=%s' "$1"; }
worst() { awk '/"simulated"/ { inside = 1 } inside && /"sqnr_db"/ { gsub(/[",]/, "", $2); print $2; exit }' "$1/model.report.json"; }
better() { awk -v before="$1" -v now="$2" -v by="$3" 'BEGIN { exit !(now >= before + by) }'; }
results_of() {  # results with so many bits, by the report
  awk '/"output": \{/ { inside = 1 } inside && /"bits":/ { print; inside = 0 }' out/model.report.json | grep -c "\"bits\": $1,\?$" || true
}

# Integers of one width, and floats beside them.
full() { quantize_sample --set /placement=full "$@"; }
full -q > /dev/null
mv out plain
full --set "$(list)" --set "$(share 0)" -q > /dev/null
[ "$(worst out)" = "$(worst plain)" ] || fail "a share of nothing changes the model"
full --set "$(list)" --set "$(share 0.1)" --explain '*' > said
part=$(sed -n 's/^ *\([0-9.]*\) % of the activations in float, by activation_n_bits *kept.*/\1/p' said)
awk -v part="$part" 'BEGIN { exit !(part > 0 && part <= 10) }' || fail "$part % of the activations, of 10"
better "$(worst plain)" "$(worst out)" 1 || fail "$(worst plain) dB before, $(worst out) dB with 10 %"
grep -q "float for its result, of 8 or 16 bits: 8 make .* % of what rounding" said || fail "no word on why one is float"
grep -q "8 bits for its result, of 8 or 16 bits" said || fail "no word on why one has 8 bits"
mv out on_two
full --set "$(list)" --set "$(share 0.1)" --threads 1 -q > /dev/null
cmp out/model.quant.onnx on_two/model.quant.onnx || fail "other bytes on one thread"
quantize_sample --set "$(list)" --set "$(share 0.1)" --format onnx,tflite -q > /dev/null
better "$(worst plain)" "$(worst out)" 1 || fail "no gain beside a .tflite"
[ -f out/model.quant.tflite ] || fail "no .tflite"

# Integers of 16 bits.
tpc=$DATA/targets/tpc_widths.json
packed() { quantize_sample --target "$tpc" "$@"; }
packed -q > /dev/null
rm -r plain && mv out plain
packed --set "$(list)" --set "$(share 0.2)" --explain '*' > said
few=$(results_of 16)
[ "$few" -ge 1 ] && [ "$(results_of 4)" = 0 ] && [ "$(results_of 8)" -ge 5 ] || fail "$few results of 16 bits"
grep -q " % of the activations wider, by activation_n_bits *kept" said || fail "nothing is said of the choice"
grep -q "results of more bits, by activation_n_bits: '.*' (16)" said || fail "no names"
grep -q "16 bits for its result, of 8 or 16 bits: 8 make" said || fail "no word on why one has 16 bits"
better "$(worst plain)" "$(worst out)" 0.5 || fail "$(worst plain) dB before, $(worst out) dB with 16 bits"
"$QCONVERT" compare "$SAMPLE/model.onnx" out/model.quant.onnx --config "$SAMPLE/config.json" --images "$SAMPLE/calib" \
  --latency-rounds 0 --gate 'agreement >= 70 %' -q > /dev/null || fail "the file is not what was promised"
packed --set "$(list)" --set "$(share 1)" -q > /dev/null
[ "$(results_of 16)" -gt "$few" ] || fail "all of them may be wide, and no more are"

# Beside budgets: of weights alone, results are wide first; for activations, lists bound what they may have.
packed --set "$(list)" --set "$(share 0.2)" --set /target_resource_utilization/weights_memory=75% -q > /dev/null
[ "$(results_of 16)" -ge 1 ] || fail "no wide result beside narrow weights"
packed --set "$(list '[4, 8]')" --set /target_resource_utilization/activation_memory=50000 -q > /dev/null
[ "$(results_of 16)" = 0 ] || fail "wider than the lists have it"
