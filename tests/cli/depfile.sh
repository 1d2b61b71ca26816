# Names that make treats as words of its own; a picture that comes, goes or changes is noticed, and nothing else.
mkdir 'a b#$:'
cp -r "$SAMPLE/calib" 'a b#$:/calib'
cp "$SAMPLE/model.onnx" 'a b#$:/m =1.onnx'
for rest in $(ls 'a b#$:/calib' | tail -n +20); do rm 'a b#$:/calib/'"$rest"; done
sed 's|"path": *"[^"]*"|"path": "calib"|' "$SAMPLE/config.json" > 'a b#$:/c.json'
cat > Makefile <<'M'
done.stamp:
	echo run >> runs; "$(QCONVERT)" 'a b#$$:/m =1.onnx' --config 'a b#$$:/c.json' -o out --depfile out.d --stamp $@ -q > report.txt
-include out.d
M
export QCONVERT
runs() { make -s > make.txt 2>&1 || { cat make.txt; fail "make"; }; cat runs | wc -l; }
test "$(runs)" = 1 || fail "the first make"
test "$(runs)" = 1 || fail "the second make ran something"
first=$(ls 'a b#$:/calib' | head -1)
for thing in "calib/$first" 'm =1.onnx' 'c.json'; do
  before=$(cat runs | wc -l)
  sleep 0.05
  touch "a b#\$:/$thing"
  test "$(runs)" = $((before + 1)) || fail "touch of $thing"
  test "$(runs)" = $((before + 1)) || fail "make after it ran something"
done
before=$(cat runs | wc -l)
sleep 0.05
rm 'a b#$:/calib/'"$first"
test "$(runs)" = $((before + 1)) || fail "a picture is gone"
test "$(runs)" = $((before + 1)) || fail "make after it ran something"
