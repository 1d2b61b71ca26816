# NaN neither.
"$QCONVERT" fix "$DATA/quantized/nan_scale.onnx" -o out
