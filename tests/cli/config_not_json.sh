# A comma too many: line and column are said.
printf "{\n  \"output\": {\"formats\": [\"onnx\"],}\n}\n" > broken.json
"$QCONVERT" "$SAMPLE/model.onnx" --config broken.json -o out
