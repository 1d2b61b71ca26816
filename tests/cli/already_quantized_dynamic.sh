# A file that rounds at run time has no scales to take over: neither the conversion nor fix sends the reader to the other.
quantize_with "$DATA/models/already_dynamic.onnx" "{}" --images "$SAMPLE/calib" && fail "it was converted"
"$QCONVERT" fix "$DATA/models/already_dynamic.onnx" -o out
