# An unknown field of a rule or a filter is an error with the nearest name, all at once.
quantize_with "$SAMPLE/model.onnx" "{\"bit_width_config\": [{\"filter\": {\"nam\": \"*\"}, \"weights_bits\": 4}]}"
