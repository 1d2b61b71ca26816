#!/usr/bin/env bash
# Widths under a budget against uniform widths, as a table: models of QCONVERT_TEST_DATA, judged by stock ONNX Runtime on
# pictures that were not calibrated on. Minutes a model.
#
#   scripts/budget.sh [--gram] [--layer] [MODEL ...]  those named, or the classifiers and the detector of the README's table,
#                                                     against the aims of tests/budget.csv; --gram: by layers' own statistics
#                                                     as well; --layer: by MCT's measure of sensitivity as well
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 scripts/budget.py "$@"
