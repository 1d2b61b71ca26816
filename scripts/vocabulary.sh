#!/usr/bin/env bash
# What MCT's options bring on real models, against bounds in tests/vocabulary.csv: targets and corrections that small models
# of the unit tests say little about. A virtual environment under build/ holds onnx, which makes two of the models judged.
#
#   scripts/vocabulary.sh [ROW ...]           all rows, or those named
#
# QCONVERT_TEST_DATA names the folder with the real models and images. Ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

venv=build/vocabulary/venv
if [ -z "${VOCABULARY_PYTHON:-}" ] && ! "$venv/bin/python" -c 'import numpy, onnx' 2>/dev/null; then
  install_missing python3-venv
  say "installing into $venv: numpy, onnx"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet numpy onnx
fi
exec "${VOCABULARY_PYTHON:-$venv/bin/python}" scripts/vocabulary.py "$@"
