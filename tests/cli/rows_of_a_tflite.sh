# Samples of several rows where a .tflite would have one: the error says how the file gets as many.
python3 - <<'P'
import random, struct
from pathlib import Path
random.seed(3)
Path('calib').mkdir()
for i in range(4):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 16, 24), }"
    header = header.ljust(117) + '\n'
    with open(f'calib/{i:02}.npy', 'wb') as file:
        file.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode())
        file.write(struct.pack('<2304f', *(random.uniform(0, 255) for _ in range(2304))))
P
echo '{"target_platform_capabilities": "litert", "output": {"formats": ["tflite"]}}' > config.json
run() { "$QCONVERT" "$DATA/models/any_size.onnx" --config config.json --images calib -o out -q "$@"; }
run --set /input_shapes/image='[-1, 3, 16, 24]' 2> error.txt && fail 'rows that do not fit were taken'
cat error.txt
run --set /input_shapes/image='[2, 3, 16, 24]' && ls out
