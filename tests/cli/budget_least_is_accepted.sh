# The least budget that a refusal names is enough.
quantize_sample --set /target_resource_utilization/weights_memory=1000 2> refusal && fail "1000 bytes were enough"
least=$(sed -n 's/.*the least that can be reached is \([0-9]*\):.*/\1/p' refusal)
quantize_sample --set /target_resource_utilization/weights_memory="$least"
