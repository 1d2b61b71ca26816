# Ctrl-C while weights are corrected: with --resume the layers that were solved are kept, and the next run goes on from
# them to the same bytes. A file that does not fit, or is damaged, is a warning that says why.
four_bits='/bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": 4}]'
model=$SAMPLE/model.onnx threads=2
run() {
  local folder=$1
  shift
  "$QCONVERT" "$model" --config "$SAMPLE/config.json" -o "$folder" --threads "$threads" \
    --set /representative_dataset/max_images=200 --set "$four_bits" "$@" > text.txt
}
same() { diff -r plain out || fail "$1"; }
run plain 2> /dev/null

# Stopped as soon as a layer is there. On a busy machine the run may be over before the signal comes: then again.
set -m  # without job control a shell starts background commands deaf to Ctrl-C
threads=1
for try in 1 2 3 4 5; do
  code=0
  rm -rf out
  run out --resume 2> stopped.txt &
  until [ -e out/model.resume ] || ! kill -0 %% 2> /dev/null; do sleep 0.01; done
  kill -INT %% 2> /dev/null || true
  wait %% || code=$?
  [ "$code" = 0 ] || break
done
[ "$code" = 130 ] || fail "exit code $code: $(cat stopped.txt)"
grep -q -e '--resume' stopped.txt || fail "not a word of --resume"
grep -q 'keeps what was solved' stopped.txt || fail "not a word of what is kept"
[ "$(ls out)" = model.resume ] || fail "left: $(ls out)"
cp out/model.resume half

run out --resume 2> went_on.txt
grep -q 'going on from .*layers: [1-9]' went_on.txt || fail "it did not go on"
same "the resumed run wrote other bytes"

# Neither folders nor gates nor threads are what layers depend on.
cp -r "$SAMPLE/calib" pictures
cp half out/model.resume
threads=2
run out --resume --images "$PWD/pictures" --set /gates/min_sqnr_db=1 2> went_on.txt
grep -q 'going on from' went_on.txt || fail "it did not go on from another folder"

anew() {
  local why=$1
  shift
  rm -rf out
  mkdir out
  cp half out/model.resume
  "$@" 2> anew.txt
  grep -q 'not-resumed' anew.txt && grep -q "$why" anew.txt || { cat anew.txt >&2; fail "no word of: $why"; }
  grep -q 'going on from' anew.txt && fail "went on in spite of: $why"
  [ ! -e out/model.resume ] || fail "the file is still there"
}
anew 'not the same: the config$' run out --resume --set /gptq_config/sweeps=2
printf x >> pictures/"$(ls pictures | head -1)"
anew 'not the same: the images$' run out --resume --images "$PWD/pictures"
head -c 100 half > cut && mv half whole && mv cut half
anew 'damaged' run out --resume
same "the run after a damaged file wrote other bytes"
mv whole half
mkdir other
cp "$model" other/model.onnx
printf '\062\001x' >> other/model.onnx  # a doc_string
model=other/model.onnx
anew 'not the same: the model$' run out --resume
model=$SAMPLE/model.onnx

# Without --resume nothing is read, and nothing taken away.
cp half out/model.resume
run out 2> plainly.txt
grep -q 'resum' plainly.txt && fail "it was read"
cmp -s half out/model.resume || fail "it was touched"
