#!/usr/bin/env bash
# Our int8 .tflite beside onnx2tf's of the same model, both run by LiteRT: accuracy, size, time of one thread by turns, time
# to convert. And (`float64`) how far ONNX Runtime and LiteRT are from the float model computed with 64 bits: whose error a
# difference between the two is. Figures for people, no tests.
#
#   scripts/bench_tflite.sh [peer] [float64] [--models MODEL ...] [--rounds N] [--cpu N]      --help lists the rest
#
# The peer wants 2.6 GB of packages (TensorFlow); they go into a virtual environment under build/bench, and only `peer`
# installs them. QCONVERT_TEST_DATA names the folder with the real models and images.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

mkdir -p build
scripts/build.sh build qconvert >build/bench_build.log 2>&1 || { cat build/bench_build.log >&2; exit 1; }

venv=build/bench/tflite-venv
packages="onnx onnxruntime ai-edge-litert pillow"
knows='import onnx, onnxruntime, ai_edge_litert, PIL'
if [[ " $* " != *" float64 "* || " $* " == *" peer "* ]]; then
  packages="onnx2tf==1.29.24 pillow"  # which names exact versions of all the others
  knows+=', onnx2tf'
fi
if ! TF_CPP_MIN_LOG_LEVEL=3 "$venv/bin/python" -c "$knows" 2>/dev/null; then
  install_missing python3-venv
  say "installing into $venv: $packages"
  python3 -m venv "$venv"
  # shellcheck disable=SC2086  # a list of words
  "$venv/bin/pip" install --quiet $packages
fi
TF_CPP_MIN_LOG_LEVEL=3 exec "$venv/bin/python" scripts/bench_tflite.py "$@"
