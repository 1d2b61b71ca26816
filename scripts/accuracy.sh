#!/usr/bin/env bash
# What the ways of rounding weights are worth, as a table: models of QCONVERT_TEST_DATA in several settings, judged by
# stock ONNX Runtime on pictures that were not calibrated on, against the aims of tests/accuracy.csv; tests/results.csv has
# the figures of the checked-in code.
#
#   scripts/accuracy.sh [--aims] [--draws] [MODEL ...]    all models, or those named; their rows are written anew
#                                                         --aims: only settings that have an aim, or that one is judged by
#                                                         --draws: five draws of the calibration pictures, mean and spread
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 scripts/accuracy.py "$@"
