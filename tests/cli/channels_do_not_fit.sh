# Colour pictures for a model of one channel.
quantize_with "$DATA/models/one_channel.onnx" "{\"representative_dataset\": {\"preprocess\": {\"color\": \"RGB\"}}}" --images "$SAMPLE/calib"
