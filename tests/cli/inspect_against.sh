# What a conversion changed, in words and for machines; a file against itself: nothing.
quantize_sample --set /placement=full -q > /dev/null
"$QCONVERT" inspect "$SAMPLE/model.onnx" --against out/model.quant.onnx
"$QCONVERT" inspect out/model.quant.onnx --against out/model.quant.onnx
"$QCONVERT" inspect "$DATA/tflite/classifier.tflite" --against "$DATA/tflite/classifier.tflite" --report json > same.json
grep -q '"layers": \[\]' same.json || fail "a .tflite differs from itself"
"$QCONVERT" inspect out/model.quant.onnx
