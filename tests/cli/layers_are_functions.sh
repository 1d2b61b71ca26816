# Layers written as functions of the file: opened, so that their weights are quantized; inspect counts what they multiply.
"$QCONVERT" inspect "$DATA/models/layers_are_functions.onnx" | grep -E 'multiply|nodes:|net.Layer  '
quantize_with "$DATA/models/layers_are_functions.onnx" "{\"representative_dataset\": {\"path\": \"$SAMPLE/calib\", \"max_images\": 16},
  \"placement\": \"full\"}" -q | grep -E 'integer kernels|float rewrites|quant.onnx  .*MB|quant.onnx .* kB  '
"$QCONVERT" inspect out/layers_are_functions.quant.onnx | grep -E ' nodes:'
