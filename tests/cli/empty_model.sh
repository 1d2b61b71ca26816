# A file of no bytes, as a failed download leaves behind.
: > empty.onnx
quantize_with empty.onnx "{}" --images "$SAMPLE/calib"
