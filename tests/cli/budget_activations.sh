# A budget for activations that floats do not keep to gets integers, and the report says what is taken of every budget.
# A share is of the model in 8 bits, so all of them is always enough.
quantize_sample --set /target_resource_utilization/activation_memory=30kB --report json > report.json
python3 - report.json <<'PYTHON'
import json, sys
report = json.load(open(sys.argv[1]))
rows = {row["name"]: row for row in report["resources"]}
assert rows["activation_memory"]["allowed"] == 30000 >= rows["activation_memory"]["taken"] > 0, rows
assert rows["total_memory"]["taken"] == rows["activation_memory"]["taken"] + rows["weights_memory"]["taken"], rows
assert rows["bops"]["allowed"] is None and rows["bops"]["taken"] > 1e6, rows
assert report["coverage"]["weighted_on_integer_kernels"] > 0
PYTHON
quantize_sample --set /target_resource_utilization/activation_memory=100% --set /target_resource_utilization/bops=75%
quantize_sample --set /placement=auto --set /target_resource_utilization/activation_memory=30kB 2> error.txt &&
  fail "floats kept to 30 kB"
grep -q 'remedy: .*"placement": "full"' error.txt || fail "no word of full placement"
