#!/usr/bin/env bash
# From a clean clone to a quantized model: installs what is missing, builds, quantizes the sample, prints the report.
# Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
scripts/build.sh build qconvert
build/qconvert tests/data/sample/model.onnx --config tests/data/sample/config.json -o build/sample "$@"
