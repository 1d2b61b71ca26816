# A file for another runtime: what ONNX Runtime's kernels make of it here is no verdict, its time here no time, and
# what saturates on old x86 no risk.
quantize_sample --target tensorrt > for_tensorrt.txt
grep -q 'integer kernels are counted as planned for the target tensorrt' for_tensorrt.txt || fail "$(cat for_tensorrt.txt)"
if grep -qE 'meant for integers|measured here|saturation on x86 without VNNI: likely' for_tensorrt.txt; then fail "$(cat for_tensorrt.txt)"; fi
python3 - <<'P'
import json
report = json.load(open('out/model.report.json'))
integer = [n for n in report['nodes'] if n['compute'] == 'integer']
assert integer and all(n['integer_kernel'] for n in integer), integer
assert report['coverage']['on_integer_kernels'] == len(integer), report['coverage']
assert report['coverage']['weighted_on_integer_kernels'] == report['coverage']['weighted_nodes'], report['coverage']
P
quantize_sample --target onnxruntime | grep -q 'measured here' || fail 'no time where the file runs'
