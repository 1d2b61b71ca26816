# Q and DQ of one value with unlike scales contradict each other.
"$QCONVERT" fix "$DATA/quantized/contradiction.onnx" -o out
