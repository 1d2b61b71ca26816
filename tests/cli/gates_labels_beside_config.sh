# Labels that a config names are looked for beside it, like everything else that it names.
mkdir there
cp "$SAMPLE/labels.csv" there/
sed 's#"path": *"[^"]*"#"path": "'"$SAMPLE/eval"'"#' "$SAMPLE/config.json" > there/config.json
"$QCONVERT" "$SAMPLE/model.onnx" --config there/config.json -o out -q --set /gates/max_top1_drop=50 --set /gates/labels=labels.csv > report.txt
grep -q '^notes' report.txt && grep -q 'top-1 on' report.txt || fail "$(cat report.txt)"
grep -q '"labels": "labels.csv"' out/model.report.json || fail "a folder of this machine is in the report"
