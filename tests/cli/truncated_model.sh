# The first two thirds of a good model.
size=$(wc -c < "$SAMPLE/model.onnx")
head -c $((size * 2 / 3)) "$SAMPLE/model.onnx" > cut.onnx
quantize_with cut.onnx "{}" --images "$SAMPLE/calib"
