# Every way side by side, each with what to set for it.
"$QCONVERT" survey "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --set /representative_dataset/max_images=24 \
  --images "$SAMPLE/eval" --labels "$SAMPLE/labels.csv" --max-images 40 --best accuracy -o out > table.txt
cat table.txt
[ -s out/survey.json ] && [ -s out/survey.md ] && grep -q '</svg>' out/survey.svg && [ -s out/float16.json ] || fail "something was not written"
