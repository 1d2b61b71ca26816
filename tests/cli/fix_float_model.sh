# A float model has nothing to fix.
"$QCONVERT" fix "$DATA/quantized/small.onnx" -o out
