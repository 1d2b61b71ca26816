# What a model takes: inspect needs no images to say what a budget's shares are of, and of a written file it says what
# the conversion reported.
quantize_sample --set /target_resource_utilization/activation_memory=100% --format onnx,tflite --report json > report.json
for file in "$SAMPLE/model.onnx" out/model.quant.onnx out/model.quant.tflite; do
  "$QCONVERT" inspect "$file" --report json > "$(basename "$file").json"
done
python3 - <<'CHECK'
import json
report, model, onnx, tflite = (json.load(open(name)) for name in
                               ("report.json", "model.onnx.json", "model.quant.onnx.json", "model.quant.tflite.json"))
rows = {row["name"]: row for row in report["resources"]}
peak = rows["activation_memory"]
assert model["quantized_peak_activation_bytes"] == peak["allowed"] == peak["taken"], (model, peak)
assert onnx["peak_activation_bytes"] == peak["taken"], onnx["peak_activation_bytes"]
assert abs(model["quantized_bops"] / rows["bops"]["taken"] - 1) < 1e-3, (model["quantized_bops"], rows["bops"])
assert model["bops"] == model["macs"] * 32 * 32
assert onnx["bops"] == onnx["macs"] * 8 * 8 and tflite["bops"] == tflite["macs"] * 8 * 8
assert 0.85 < model["quantized_constant_bytes"] / onnx["constant_bytes"] < 1.15
for found in (model, onnx, tflite):
    assert found["total_bytes"] == found["constant_bytes"] + found["peak_activation_bytes"]
assert peak["taken"] <= tflite["peak_activation_bytes"] < 2 * peak["taken"], tflite["peak_activation_bytes"]
CHECK
# Weights alone: floats between layers, and the bits of the weights as they are packed.
quantize_sample --set /mode=weight_only --set /weight_only/bits=4 --set /placement=auto -q > /dev/null
"$QCONVERT" inspect out/model.quant.onnx --report json > narrow.json
python3 - <<'CHECK'
import json
model, narrow = json.load(open("model.onnx.json")), json.load(open("narrow.json"))
assert narrow["weights_alone"] and narrow["quantized"]
assert narrow["peak_activation_bytes"] == model["peak_activation_bytes"]
assert narrow["macs"] * 32 * 4 <= narrow["bops"] < narrow["macs"] * 32 * 8
assert narrow["parameters"] == sum(node["parameters"] for node in narrow["nodes"]) < model["parameters"]
CHECK
rm -r out
