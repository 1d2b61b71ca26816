#!/usr/bin/env bash
# Every mode but the static one on real models, against bounds in tests/modes.csv: loads in stock ONNX Runtime, as close to
# float, as small and no slower than asked, or the report says why. QCONVERT_TEST_DATA names the data. Minutes a model.
#
#   scripts/modes.sh [MODEL ...]           all models, or those named
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 scripts/modes.py "$@"
