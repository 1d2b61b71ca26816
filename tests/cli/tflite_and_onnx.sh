# One plan, two files, and a report whose bytes sum up for both.
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --format onnx,tflite -o out
cd out
[ "$(ls)" = "$(printf '%s\n' model.quant.onnx model.quant.tflite model.report.json)" ] || fail "written: $(ls)"
[ "$(dd if=model.quant.tflite bs=1 skip=4 count=4 2>/dev/null)" = TFL3 ] || fail "no TFLite file"
"$QCONVERT" inspect model.quant.tflite >/dev/null
