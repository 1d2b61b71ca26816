#!/usr/bin/env bash
# Real models: every one converts with the defaults, loads in stock ONNX Runtime, is the same file on a second run with
# another thread count, and is as close to float as tests/real_models.csv asks; at the end what a first run without any
# setting should bring, MET or SHORT. QCONVERT_TEST_DATA names the data.
#
#   scripts/real_models.sh [MODEL ...]        all models, or those named
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 scripts/real_models.py "$@"
