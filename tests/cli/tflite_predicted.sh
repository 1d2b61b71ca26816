# What is said of time goes by the runtime of the files: a lone .tflite is LiteRT's, whose costs know no processors.
predicted() {
  rm -rf out
  quantize_sample --report json "$@" | tr -d ' \n' | grep -o '"predicted_time_on":{[^}]*}'
}
[ "$(predicted --format tflite)" = '"predicted_time_on":{}' ] || fail "a lone .tflite: $(predicted --format tflite)"
predicted --format onnx,tflite | grep -q x86 || fail "both files: $(predicted --format onnx,tflite)"
