# A limit on the size of files is met as a full disk is: an error, and nothing left, in the temporary folder neither.
ulimit -f 20
code=0
quantize_sample --format tflite || code=$?
[ "$code" = 4 ] || fail "exit code $code with an output that is too large"
quantize_sample
