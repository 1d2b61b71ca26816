# A target without float kernels between its integers, and a config that keeps floats there: said, and where.
quantize_sample --target qnn --format onnx > plain.txt
grep -q floats-inside plain.txt && fail "a warning without a reason"
grep -q 'has no float kernels' plain.txt && fail "a warning without a reason"
quantize_sample --target qnn --set '/keep_float/names=["stem/conv"]' > kept.txt
grep -q 'has no float kernels between its integers, and the config keeps 1 node in float: stem/conv' kept.txt || fail "$(cat kept.txt)"
quantize_sample --target qnn --set /mode=weight_only > mode.txt
grep -q 'has no float kernels between its integers, and the mode leaves activations in float' mode.txt || fail "$(cat mode.txt)"
quantize_sample --target qnn --set /placement=auto > auto.txt
grep -q '"placement": "auto" is "full" here: target qnn' auto.txt || fail "$(cat auto.txt)"
