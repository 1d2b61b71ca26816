# The command of the README.
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out
cd out
[ "$(ls)" = "$(printf '%s\n' model.quant.onnx model.report.json)" ] || fail "written: $(ls)"
[ "$(wc -c < model.quant.onnx)" -lt $(($(wc -c < "$SAMPLE/model.onnx") / 2)) ] || fail "hardly smaller than the model"
