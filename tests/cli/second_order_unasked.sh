# Rounding weights anew is done unasked where nobody waits for it: within about twice the time of calibration, or a second.
# Not where the config names another method, and not where two images are calibrated on and more than a second would be spent.
convert() {
  quantize_with "$DATA/models/any_size.onnx" "{\"representative_dataset\": {\"path\": \"$SAMPLE/calib\", \"max_images\": $3,
    \"preprocess\": {\"resize\": {\"stretch\": [$1, $1]}, \"mean\": [127.5, 127.5, 127.5], \"std\": [127.5, 127.5, 127.5]}},
    \"gptq_config\": {\"method\": $2}}" --set /placement='"full"' -v
}
convert 256 '"bias_correction"' 500 | grep second-order && fail "it was done, unwanted"
convert 1800 null 4 | grep second-order && fail "it was done, and takes long beside the calibration"
convert 16 null 500 | grep "second-order correction of 1 layers, 12 images" || fail "it takes next to no time, and was not done"
# It is where activations stay float, and weights are all that is rounded.
quantize_sample --set /mode=weight_only -v | grep "second-order correction of .* layers, .* images" ||
  fail "it was not done in mode weight_only"
convert 256 null 500
