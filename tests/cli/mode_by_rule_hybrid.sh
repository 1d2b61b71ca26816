# A hybrid: convolutions by the static plan, the classifier with integer weights alone.
quantize_with "$SAMPLE/model.onnx" "{\"representative_dataset\": {\"path\": \"$SAMPLE/calib\", \"max_images\": 24,
  \"preprocess\": {\"resize\": {\"short_side\": 36}, \"center_crop\": [32, 32], \"mean\": 124, \"std\": 58}},
  \"placement\": \"full\", \"bit_width_config\": [{\"filter\": {\"op_type\": \"Gemm\"}, \"mode\": \"weight_only\"}]}" \
  --explain head/classifier
