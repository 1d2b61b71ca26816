#!/bin/sh
# A CI step for any system with a shell: quantizes, judges on labelled pictures, fails when a bound does not hold.
# Beside this file: model.onnx, quant.json, the pictures that it names, eval/ with labelled pictures, labels.csv.
set -eu

qconvert model.onnx --config quant.json -o build --report json --log-format json --no-progress > report.json

# Exit 5: a gate did not hold; the table says which, and by how much.
qconvert compare model.onnx build/model.quant.onnx --config quant.json --images eval --labels labels.csv \
  --latency-rounds 0 --no-progress --gate 'top1_drop <= 1' --gate 'sqnr_db >= 15' --gate 'size_ratio <= 0.35'
