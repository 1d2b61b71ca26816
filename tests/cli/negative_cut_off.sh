# A target whose activations have neither a sign nor a zero point: what that costs is said with how to mend it, and that works.
printf '{"based_on": "tensorrt", "name": "bare", "activations": {"signed": false}}' > bare.json
db() { sed -n 's/.*"worst_sqnr_db": \([-0-9.]*\).*/\1/p' out/model.report.json; }
quantize_sample --target bare.json --set /placement=full -q > /dev/null
grep -q '"code": "negative-cut-off"' out/model.report.json || fail "no warning in the report"
before=$(db)
lines=$(sed -n 's/.*\\"debug_config\\": \({.*}\)".*/\1/p' out/model.report.json | sed 's/\\"/"/g')
[ -n "$lines" ] || fail "no lines to paste"
quantize_sample --target bare.json --set /placement=full --set "/debug_config=$lines" -q > /dev/null
awk -v a="$before" -v b="$(db)" 'BEGIN { exit !(b > a + 6) }' || fail "$before dB, and $(db) dB with the lines pasted"
grep '"remedy"' out/model.report.json | grep -q network_editor && fail "nodes are still cut off"
quantize_sample --target tensorrt --set /placement=full -q > /dev/null
grep -q negative-cut-off out/model.report.json && fail "a warning although the grids have a sign"
true
