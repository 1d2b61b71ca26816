# Each line on stderr is one JSON object, from the first error on.
quantize_sample --log-format json > report.txt
rm -r out
"$QCONVERT" nowhere.onnx --log-format json || code=$?
"$QCONVERT" "$SAMPLE/model.onnx" --colour --log-format=json || exit $((code + $?))
