# A failed gate speaks of the report's hints where there are some.
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out --set /representative_dataset/max_images=160 \
  --set /gates/min_sqnr_db=100 --set /placement=full > report.txt 2> said.txt && fail "the gate holds"
if grep -q '^hints' report.txt; then grep -q "see the report's hints" said.txt; else ! grep -q "hints" said.txt; fi || fail "$(cat said.txt report.txt)"
