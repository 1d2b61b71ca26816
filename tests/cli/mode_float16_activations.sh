# Activations of 16 bits: the file says so between its nodes, hardly anything is lost, its ends keep their type unless
# asked; no images are needed.
quantize_sample --set /mode=float16 --set /float16/activations=true --set /gates/min_sqnr_db=45 -q > report.txt
grep -q "nodes compute on activations of 16 bits" report.txt || fail "the report does not say so"
"$QCONVERT" "$SAMPLE/model.onnx" --set /mode=float16 --set /float16/activations=true --set /float16/keep_io_types=false \
  -o alone -q > /dev/null
"$QCONVERT" compare "$SAMPLE/model.onnx" out/model.quant.onnx alone/model.quant.onnx --config "$SAMPLE/config.json" \
  --images "$SAMPLE/eval" --latency-rounds 0 --report json -q > compare.json || fail "a file of 16 bits was not compared"
"$QCONVERT" "$SAMPLE/model.onnx" --set /mode=bfloat16 --set /float16/activations=true -o brain -q > brain.txt
grep -q "nodes compute on activations of 16 bits" brain.txt || fail "bfloat16: the report does not say so"
"$QCONVERT" "$SAMPLE/model.onnx" --set /mode=float16 --set /float16/activations=true -o one --threads 1 -q > /dev/null
"$QCONVERT" "$SAMPLE/model.onnx" --set /mode=float16 --set /float16/activations=true -o two --threads 2 -q > /dev/null
cmp one/model.quant.onnx two/model.quant.onnx || fail "the thread count changes bytes"
