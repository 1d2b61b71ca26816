# Where no layer's width is open there is no table of equal rows, but the reason: the config's mode, or rules by hand.
run() {
  "$QCONVERT" frontier "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out --no-progress "$@" > table.txt 2> said.txt
}
refused() {
  local code=0 expected=$1 words=$2
  shift 2
  run "$@" || code=$?
  [ "$code" = "$expected" ] || fail "exit $code: $*"
  grep -q -e "$words" said.txt || fail "$(cat said.txt)"
}
refused 1 /mode --set /mode=float16
refused 1 /weight_only/block_size --set /mode=weight_only --set /weight_only/block_size=32
refused 5 "no layer's width is open: of [0-9]* with weights, [0-9]* have theirs set by hand" \
  --set '/bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": 4}]' --set /representative_dataset/max_images=12
code=0
"$QCONVERT" frontier "$SAMPLE/model.onnx" --set /mode=weight_only -o out 2> said.txt || code=$?
[ "$code" = 1 ] || fail "exit $code without pictures"
grep -q no-images said.txt || fail "$(cat said.txt)"
[ -z "$(ls -A out)" ] || fail "files were written"
exit 0
