# A written file may never replace the model it was made from.
cp "$SAMPLE/model.onnx" model.onnx
before=$(sha256sum model.onnx)
"$QCONVERT" model.onnx --config "$SAMPLE/config.json" -o . --set /output/onnx_name=model.onnx || code=$?
[ "$before" = "$(sha256sum model.onnx)" ] || fail "the model was overwritten"
exit "${code:-0}"
