# Ops of another domain: in float where nothing is said about them, rounded where the config declares them.
declared='[{"domain": "com.microsoft", "op_type": "Pad", "same_scale": [[0, 0]], "quantizable_inputs": [0]},
           {"domain": "com.microsoft", "op_type": "QuickGelu"}]'
for ops in '[]' "$declared"; do
  quantize_with "$DATA/models/custom_ops.onnx" "{\"representative_dataset\": {\"path\": \"$SAMPLE/calib\", \"max_images\": 8},
    \"placement\": \"full\", \"custom_ops\": $ops}" --dump plan -q > plan.txt
  grep -E 'frame|bend' plan.txt
done
