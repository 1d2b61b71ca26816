# The report in the README is what the tool prints for the sample: the same headings in the same order. Figures and the
# names of layers are left to the machine they were printed on.
headings() { grep '^[^ ]' | grep -v '^written: ' | sed 's/[0-9][0-9.]*/N/g; s/  */ /g'; }
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out | headings > printed
sed -n '/^```text$/,/^```$/p' "$SAMPLE/../../../README.md" | grep -v '^```' | headings > readme
[ -s readme ] || fail "the README has no report"
diff readme printed || fail "refresh the README's report: build/qconvert tests/data/sample/model.onnx --config tests/data/sample/config.json -o build/sample"
