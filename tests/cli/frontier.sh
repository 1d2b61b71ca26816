# Choices of widths measured once; what is picked is converted from the kept analysis, within its bound.
rules='/bit_width_config=[{"filter": {"any_of": [{"first": true}, {"depthwise": true}]}, "weights_n_bits": 8}]'
run() {
  "$QCONVERT" frontier "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out --no-progress \
    --set /representative_dataset/max_images=12 --set /mixed_precision_config/sensitivity=gram --set "$rules" "$@"
}
mkdir out
run
[ -s out/model.frontier.json ] && [ -s out/model.frontier.svg ] || fail "no files"
cp out/model.frontier.json before.json
run | tail -1
run --pick '<= 40 kB' -q > /dev/null
cmp -s before.json out/model.frontier.json || fail "the analysis was made again"
constants=$(awk '/"rows": \[/ { inside = 1 } inside && /^      \]/ { inside = 0 }
  inside && /"bytes":/ { gsub(/[^0-9]/, ""); bytes = $0 }
  inside && /"kind": "(weights|bias|scales|constants)"/ { sum += bytes } END { print sum + 0 }' out/model.report.json)
[ "$constants" -le 40000 ] || fail "$constants bytes picked"
run --pick 'smaller' 2> wrong.txt && fail "a pick of nothing"
grep -q 'bad-pick' wrong.txt || fail "no word about it"
run --pick '<= 1 kB' 2> small.txt && fail "picked what is not there"
grep -q 'nothing-to-pick' small.txt || fail "no word about it"
