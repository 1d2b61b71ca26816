# The editor's actions show in the plan: a range by hand, few bits, a layer whose result stays in float.
quantize_sample --set /placement=full --set '/debug_config/network_editor=[
  {"filter": {"name": "block1/pointwise/*", "op_type": "Conv"}, "action": {"activation_range": [-4, 4]}},
  {"filter": {"op_type": "GlobalAveragePool"}, "action": {"activation_n_bits": 6}},
  {"filter": {"last": true}, "action": {"enable_activation_quantization": false, "weights_n_bits": 5}}]' \
  --explain 'block1/pointwise/*' --explain '*' > all
grep -A2 -q 'a rule leaves the result of' all || fail "the last layer's result was rounded"
grep -q 'uint6 scale' all || fail "no result of 6 bits"
grep -q 'uint8 scale 0.015[67][0-9]* zero_point 0' all || fail "no range up to 4 behind the Clip"
grep -q '5 bits each' all || fail "no weights of 5 bits"
