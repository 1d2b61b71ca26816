# Tensor files are no pictures: neither colours nor sizes are spoken of, and what they are called is "samples".
mkdir calib
python3 - <<'P'
import random, struct
random.seed(3)
for i in range(12):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 32, 32), }"
    header = header.ljust(117) + '\n'
    with open(f'calib/{i:02}.npy', 'wb') as file:
        file.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode())
        file.write(struct.pack('<3072f', *(random.uniform(-2, 2) for _ in range(3072))))
P
quantize_sample --images calib --report markdown
grep held-out out/model.report.md; cp out/*.json .
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --images calib -o text --diagnose
"$QCONVERT" compare "$SAMPLE/model.onnx" out/model.quant.onnx --images calib --config "$SAMPLE/config.json" --latency-rounds 0
"$QCONVERT" compare "$SAMPLE/model.onnx" out/model.quant.onnx --images "$SAMPLE/eval" --config "$SAMPLE/config.json" --latency-rounds 0 | sed 's/^/pictures: /'
python3 - <<'P'
import json
report = json.load(open('model.report.json'))
assert report['calibration']['unit'] == 'sample', report['calibration']
assert report['preprocessing'] == '.npy files as they are', report['preprocessing']
P
