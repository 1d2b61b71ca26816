# Rules that fit no node are all named, with the nearest names.
quantize_with "$SAMPLE/model.onnx" "{\"representative_dataset\": {\"path\": \"$SAMPLE/calib\"}, \"bit_width_config\": [
  {\"filter\": {\"name\": \"blok2/add\"}, \"activation_n_bits\": 8},
  {\"filter\": {\"op_type\": \"Convv\"}, \"weights_n_bits\": 4},
  {\"filter\": {\"op_type\": \"Add\"}, \"weights_n_bits\": 4}]}"
