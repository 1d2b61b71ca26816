# Modes that keep activations in float and weights in integers, for runtimes that have no kernels for both: refused before
# the work, not written as a model of floats.
for mode in weight_only dynamic; do
  "$QCONVERT" "$SAMPLE/model.onnx" --format tflite --target ethos-u --set /mode=$mode -o out 2> said.txt && fail "$mode: written"
  grep -q '^error\[target-cannot\] /mode' said.txt || fail "$mode: $(cat said.txt)"
done
"$QCONVERT" "$SAMPLE/model.onnx" --format tflite --target tflm --set /mode=dynamic -o out
