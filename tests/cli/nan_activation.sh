# Weights are fine, but a node makes NaN of ordinary pictures: the node and the picture are named.
quantize_with "$DATA/models/nan_activation.onnx" "{\"representative_dataset\": {\"preprocess\": {\"resize\": {\"stretch\": [8, 8]}, \"mean\": 127}}}" --images "$SAMPLE/calib"
