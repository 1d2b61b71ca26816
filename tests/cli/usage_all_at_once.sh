# Everything that is wrong with a command line and its --set is said at once, whoever finds it.
said() { for word in "$@"; do grep -q -e "$word" error.txt || fail "no word of '$word': $(cat error.txt)"; done; }
refused() { code=0; "$QCONVERT" "$@" 2> error.txt || code=$?; [ "$code" = 1 ] || fail "exit code $code of $*"; }

refused "$SAMPLE/model.onnx" --foo --bar=3 --threads abc -v -q --report xml --log-format loud --format pdf --dump nope \
  --dump stats --dry-run --diagnose --resume --depfile d --set nothing --set /bogus=1 --set none=2 --set '/gates=[' --target tpu
said 'no option --foo' 'no option --bar' '--threads: ' '--quiet excludes --verbose' 'report xml' 'log-format loud' \
  "'pdf' is not" 'dump nope' 'dump stats' '--diagnose' '--resume' '--depfile' '--set nothing' '--set /bogus' '--set none' \
  '--set /gates' "'tpu'"

refused "$SAMPLE/model.onnx" one two --threads 99999 --config
said "'one' is one word too many" "'two' is one word too many" '--threads: ' '--config: '

refused compare a.onnx --max-images 0 --latency-rounds none --gate 'speed_of_light <= 1' --gate sqnr_db --per-class \
  --config nowhere.json --report pdf
said '--max-images: ' '--latency-rounds: ' 'B is required' 'speed_of_light' "'sqnr_db'" '--per-class' 'nowhere.json' 'report pdf'

refused survey --best color --max-images none --set nothing --set /bogus=1
said '--best: ' '--max-images: ' 'MODEL is required' '--set nothing' '--set /bogus'

refused inspect --target tpu --report pdf
said 'MODEL is required' "'tpu'" 'report pdf'

refused config --for "$SAMPLE/model.onnx" --set nothing --set /bogus=1
said '\-\-for' '--set nothing' '--set /bogus'

# One thing is said once.
refused "$SAMPLE/model.onnx" --threads abc -v -q --config nowhere.json --target tpu
for word in '--threads: ' 'excludes' 'nowhere.json' "'tpu'"; do
  [ "$(grep -c -e "$word" error.txt)" = 1 ] || fail "'$word' more than once: $(cat error.txt)"
done
