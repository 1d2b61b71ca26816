# Nothing of the sample pays on integers, so nobody chose ranges for its values; the report says all the same what they
# would cost at the outputs, near what full placement comes to.
worst() { awk '/"simulated"/ { inside = 1 } inside && /"sqnr_db"/ { gsub(/[",]/, "", $2); print $2; exit }' "$1/model.report.json"; }
convert() { "$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out "$@"; }
convert --explain stem/conv > said
predicted=$(sed -n 's/.*else: .*worst output \([0-9.]*\) dB.*/\1/p' said)
[ -n "$predicted" ] || fail "nothing is said of the accuracy on integers"
mv out by_time
convert --set /placement='"full"' -q > /dev/null
awk -v said="$predicted" -v is="$(worst out)" 'BEGIN { exit !(is > 10 && said > is - 3 && said < is + 3) }' ||
  fail "said $predicted dB, is $(worst out) dB"
[ "$(awk -v a="$predicted" -v b="$(worst by_time)" 'BEGIN { print (a < b) }')" = 1 ] || fail "no worse than without"
