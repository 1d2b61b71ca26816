# One layer on large pictures: rounding its weights anew takes less than twice the calibration, so it is done unasked;
# not where the config names another method, and not on pictures that are calibrated on in no time.
convert() {
  quantize_with "$DATA/models/any_size.onnx" "{\"representative_dataset\": {\"path\": \"$SAMPLE/calib\",
    \"preprocess\": {\"resize\": {\"stretch\": [$1, $1]}, \"mean\": [127.5, 127.5, 127.5], \"std\": [127.5, 127.5, 127.5]}},
    \"gptq_config\": {\"method\": $2}}" --set /placement='"full"' -v
}
convert 256 '"bias_correction"' | grep second-order && fail "it was done, unwanted"
convert 16 null | grep second-order && fail "it was done, and takes long beside the calibration"
convert 256 null
