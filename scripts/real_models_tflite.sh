#!/usr/bin/env bash
# Real models as .tflite, run by LiteRT: float32 against ONNX Runtime on the model, int8 against ONNX Runtime on the ONNX
# file of the same plan, and the .tflite alone against the float model; bounds in tests/real_models_tflite.csv.
# QCONVERT_TEST_DATA names the data.
#
#   scripts/real_models_tflite.sh [MODEL ...]        all models, or those named
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 scripts/real_models_tflite.py "$@"
