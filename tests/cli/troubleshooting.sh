# Every command of configs/TROUBLESHOOTING.md, as it stands.
page=$SAMPLE/../../../configs/TROUBLESHOOTING.md
mkdir bin
ln -s "$QCONVERT" bin/qconvert
PATH=$PWD/bin:$PATH
cp "$SAMPLE/model.onnx" net.onnx
cp "$SAMPLE/labels.csv" .
cp -r "$SAMPLE/calib" .
mkdir eval
for picture in $(ls "$SAMPLE/eval" | head -40); do cp "$SAMPLE/eval/$picture" eval/; done
sed 's|"max_images": *200|"max_images": 24|' "$SAMPLE/config.json" > quant.json
sed -n '/^```sh$/,/^```$/p' "$page" | grep -v '^```' > commands
test "$(wc -l < commands)" -ge 15 || fail "the page has no commands"
set -o pipefail
while IFS= read -r command; do
  # head ends early on purpose; a program that notices is none the worse for it.
  bash -c "$command" > output 2> complaints < /dev/null || fail "$command: $(cat complaints)"
  test -s output || case "$command" in *' -q') ;; *) fail "$command printed nothing" ;; esac
done < commands
test "$(grep -c '^## ' "$page")" = "$(grep -c '^Remedy: ' "$page")" || fail "an entry without a remedy"
test "$(grep -c '^## ' "$page")" = "$(grep -c '^Cause: ' "$page")" || fail "an entry without a cause"
