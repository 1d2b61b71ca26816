# A .tflite whose integers did not do says that it computes in float, and what makes it integers; where integers stand it says
# nothing.
quantize_sample --format onnx,tflite --report json > stands.json
grep -q no-integers stands.json && fail "a warning although integers stand"
quantize_sample --format onnx,tflite --set '/placement={"rules": [{"filter": {"name": "*"}, "placement": "float"}]}' > float.txt
grep -q 'the files compute in float with int8 weights' float.txt || fail "no warning"
grep -q '"placement": "full"' float.txt || fail "no remedy"
