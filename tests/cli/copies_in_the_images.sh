# A file that is there twice is named: it counts twice.
mkdir images
for i in 000 001 002 003 004 005; do cp "$SAMPLE/calib/$i.jpg" images/; done
cp images/002.jpg images/zz.jpg
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --images images -o out
grep -A3 '"copies": \[' out/model.report.json | tr -d ' \n' | grep -q '"002.jpg","zz.jpg"' || fail "not in the JSON report"
