# Behind "--" every word is one, also where it begins with a dash.
cp "$SAMPLE/model.onnx" ./-net.onnx
"$QCONVERT" --dry-run --config "$SAMPLE/config.json" -- -net.onnx > text || fail "-net.onnx is not read"
grep -q '^-net.onnx -> int8' text || fail "$(head -1 text)"
"$QCONVERT" -net.onnx --dry-run 2> said && fail "-net.onnx was no option"
grep -q 'write ./-net.onnx' said || fail "$(cat said)"
"$QCONVERT" -- -net.onnx --dry-run
