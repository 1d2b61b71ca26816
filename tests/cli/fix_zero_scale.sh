# A scale of zero cannot be read: the node is named, and nothing is written.
"$QCONVERT" fix "$DATA/quantized/zero_scale.onnx" -o out
