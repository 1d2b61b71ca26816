"$QCONVERT" inspect "$DATA/tflite/classifier.tflite" --report json > found.json
python3 - <<'CHECK'
import json
found = json.load(open("found.json"))
size = found["model"]["size"]
assert sum(found["bytes"].values()) == size, "kinds do not sum to the file"
assert sum(t["bytes"] for t in found["tensors"]) + found["bytes_of_no_tensor"] == size, "tensors do not sum to the file"
assert found["ops"]["CONV_2D v3"] == 1
CHECK
