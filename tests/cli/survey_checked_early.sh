# What no way could use is found before the first one is made, with the exit code of its kind, and leaves no file.
quantize() { "$QCONVERT" survey "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --set /representative_dataset/max_images=12 "$@"; }
ends() {  # EXIT CODE COMMAND...: the exit code and the problem's code, no way begun, nothing in out/
  local exit=$1 code=$2 found=0
  shift 2
  "$@" > said.txt 2>&1 || found=$?
  [ "$found" = "$exit" ] || fail "exit $found instead of $exit: $(cat said.txt)"
  grep -q "^error\[$code\]" said.txt || fail "no $code: $(cat said.txt)"
  [ "$(grep -c '^survey: \|^static' said.txt)" = "${begun:-0}" ] || fail "work was begun: $(cat said.txt)"
  [ -z "$(ls out 2> /dev/null)" ] || fail "left behind: $(ls out)"
}
printf 'file,class_index\nno_such.png,1\n' > labels.csv
: > empty.onnx
: > file
ends 2 cannot-read quantize -o out --labels no_such.csv
ends 2 bad-labels quantize -o out --labels labels.csv
ends 2 no-folder quantize -o out --images no_such
ends 4 cannot-write quantize -o file/out
ends 2 '[a-z-]*' "$QCONVERT" survey empty.onnx --config "$SAMPLE/config.json" -o out
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --set /representative_dataset/max_images=12 --set /placement=full -o before -q > /dev/null
ends 2 already-quantized "$QCONVERT" survey before/model.quant.onnx --config "$SAMPLE/config.json" -o out
begun=1 ends 1 '[a-z-]*' quantize -o out --set '/bit_width_config=[{"filter": {"name": "no_such"}, "weights_n_bits": 4}]'
