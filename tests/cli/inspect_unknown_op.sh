# An operator that nobody knows does not stop a look.
"$QCONVERT" inspect "$DATA/models/unknown_op.onnx"
