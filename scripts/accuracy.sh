#!/usr/bin/env bash
# What second-order correction is worth, as a table: models of QCONVERT_TEST_DATA in several settings, judged by stock
# ONNX Runtime on pictures that were not calibrated on; tests/results.csv has the figures of the checked-in code.
#
#   scripts/accuracy.sh [MODEL ...]           all models, or those named; their rows are written anew
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 scripts/accuracy.py "$@"
