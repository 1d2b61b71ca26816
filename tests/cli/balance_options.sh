# Corrections of the float graph and by moments, for ranges that are powers of two around zero: each is tried, and
# the report says what it brought, layer by layer.
printf '{"name": "pot", "based_on": "int8", "activations": {"power_of_two": true}}' > pot.json
options=$(printf ' --set /quantization_config/%s=true' relu_bound_to_power_of_2 activation_channel_equalization \
  softmax_shift input_scaling concat_threshold_update activation_bias_correction weights_second_moment_correction \
  cross_layer_equalization gate_equalization norm_equalization shift_negative_params_search)
# shellcheck disable=SC2086 # words
quantize_sample --target pot.json --set /placement=full --set /quantization_config/shift_negative_ratio=0.5 $options > all
for name in 'Relu bound to power of two' 'equalization through gates' 'shift-negative correction' \
  'activation bias correction' 'second-moment correction'; do
  grep -Eq "^  $name +(kept|left out) +-?[0-9.]+ dB -> -?[0-9.]+ dB" all || fail "nothing is said of $name"
done
cp out/model.report.json all.json
grep -q '"node": "block5/depthwise/hardswish"' all.json || fail "no word on the layer that is shifted"
# One layer taken out by a rule.
# shellcheck disable=SC2086
quantize_sample --target pot.json --set /placement=full --set /quantization_config/shift_negative_ratio=0.5 $options \
  --set '/debug_config/network_editor=[{"filter": {"name": "block5/depthwise/hardswish"},
         "action": {"shift_negative_activation_correction": false}}]' > ruled
grep -q '"node": "block5/depthwise/hardswish"' <(sed -n '/"corrections"/,/"files"/p' out/model.report.json | grep -A400 'shift-negative' || true) \
  && fail "the rule was not heard"
# The shipped target has zero points.
quantize_sample --set /placement=full > plain
grep -q "zero points do the same" plain || fail "not a word that zero points do it"
