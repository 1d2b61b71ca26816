# Corrections that are asked for and have nothing to do in the model say so: none is inert in silence.
options=$(printf ' --set /quantization_config/%s=true' activation_channel_equalization concat_threshold_update \
  gate_equalization norm_equalization)
# shellcheck disable=SC2086 # words
quantize_with "$DATA/models/any_size.onnx" "{\"representative_dataset\": {\"path\": \"$SAMPLE/calib\", \"max_images\": 8, \"preprocess\": {\"resize\": {\"stretch\": [32, 32]}}}}" \
  --set /placement=full $options
