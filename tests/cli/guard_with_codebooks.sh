# Weights of 4 bits are codebooks of 8-bit values so small that no pair of products saturates: second order corrects them under the
# guard too.
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o . -q --set /placement='"full"' --set /saturation_guard=true \
  --set '/bit_width_config=[{"filter":{"name":"*"},"weights_n_bits":4}]'
