# One value rounded on two grids, one after the other.
"$QCONVERT" fix "$DATA/quantized/twice.onnx" -o out
