# Full placement, but for a share of the activations: those that the worst output gains most from, no more than were
# given, the same bytes on any number of threads; a share of nothing is full placement.
full() { quantize_sample --set "/placement={\"mode\": \"full\"$1}" "${@:2}"; }
worst() { awk '/"simulated"/ { inside = 1 } inside && /"sqnr_db"/ { gsub(/[",]/, "", $2); print $2; exit }' "$1/model.report.json"; }
full '' -q > /dev/null
mv out everything
full ', "max_float_share": 0' -q > /dev/null
[ "$(worst out)" = "$(worst everything)" ] || fail "a share of nothing changes the model"
full ', "max_float_share": 0.1' > said
share=$(sed -n 's/^ *\([0-9.]*\) % of the activations in float *kept.*/\1/p' said)
awk -v share="$share" 'BEGIN { exit !(share > 0 && share <= 10) }' || fail "$share % of the activations, of 10"
awk -v before="$(worst everything)" -v now="$(worst out)" 'BEGIN { exit !(now > before + 1) }' ||
  fail "$(worst everything) dB before, $(worst out) dB with 10 % in float"
mv out on_two
full ', "max_float_share": 0.1' --threads 1 -q > /dev/null
cmp out/model.quant.onnx on_two/model.quant.onnx || fail "other bytes on one thread"
rm -r out on_two everything
full ', "max_float_share": 3'
