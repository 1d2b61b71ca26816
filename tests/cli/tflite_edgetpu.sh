# HARD_SWISH, which the Edge TPU has not, is spelled out: the sample model becomes a file of integers only.
quantize_sample --target edgetpu --format tflite -q
"$QCONVERT" inspect out/model.quant.tflite > seen
grep -q 'CONV_2D' seen || fail 'no convolution'
! grep -q 'HARD_SWISH' seen || fail 'HARD_SWISH is there'
! grep -q 'float32' seen || fail 'a float tensor is there'
