# A folder where the model should be.
mkdir model.onnx
quantize_with model.onnx "{}" --images "$SAMPLE/calib"
