# A file of ours without a rounded activation looks like a float model of Cast and Mul: refused as any quantized one.
# The float model behind it is one again, and is converted; a float model that stores float16 is nobody's, and is too.
for mode in static weight_only float16 bfloat16 dynamic; do
  quantize_sample --set "/mode=$mode" --set '/keep_float={"names": ["*"]}' -q > /dev/null
  mv out/model.quant.onnx own.onnx
  rm -r out
  code=0
  "$QCONVERT" own.onnx --config "$SAMPLE/config.json" -o out 2> error.txt || code=$?
  [ "$code" = 2 ] || fail "exit code $code for a file of the mode $mode"
  grep -q 'already-quantized' error.txt || fail "another word for a file of the mode $mode: $(cat error.txt)"
  grep -q 'fix --strip' error.txt || fail "no remedy for a file of the mode $mode"
  "$QCONVERT" inspect own.onnx > look.txt
  grep -q 'own.onnx.*weights in fewer bits' look.txt || fail "inspect calls a file of the mode $mode float"
  "$QCONVERT" fix --strip own.onnx -o float -q > /dev/null
  "$QCONVERT" float/own.quant.onnx --config "$SAMPLE/config.json" --dry-run -q > /dev/null ||
    fail "the float model behind a file of the mode $mode is refused"
done
quantize_sample --set /mode=float16 --set /float16/activations=true -q > /dev/null
"$QCONVERT" out/model.quant.onnx --config "$SAMPLE/config.json" -o again 2> error.txt && fail "a model of halves was converted"
grep -q 'already-quantized' error.txt || fail "another word for a model of halves: $(cat error.txt)"
rm -r out
