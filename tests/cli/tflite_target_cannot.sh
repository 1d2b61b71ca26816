# Everything that breaks the target's rules at once, before anything is calibrated, each with a remedy.
cat > strict.json <<'JSON'
{"based_on": "edgetpu", "tflite": {"limits": {"outer": 1}, "remedies": {"MUL": "train with Relu in its place"}, "ops": {
  "CONV_2D": {"types": ["int8"], "limits": {"stride": 1}}, "ADD": {"types": ["int8"]}, "FULLY_CONNECTED": {"types": ["int8"]},
  "MEAN": {"types": ["int8"]}, "RESHAPE": {"types": ["int8"]}, "PAD": {"types": ["int8"]}}}}
JSON
quantize_sample --target strict.json --format tflite --set /representative_dataset/path=nowhere --dry-run
