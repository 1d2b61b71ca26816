# Files that fail a gate are there to be looked at, under names that no build takes for the real ones.
quantize_sample --set /gates/min_sqnr_db=200 --keep-rejected --depfile out.d --stamp out.stamp || code=$?
ls out | tr '\n' ' '
test "$(ls out | tr '\n' ' ')" = "model.quant.onnx.rejected model.report.json.rejected " || fail "other files"
test ! -e out.d && test ! -e out.stamp || fail "make would take this for a good run"
exit "$code"
