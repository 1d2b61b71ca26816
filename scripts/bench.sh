#!/usr/bin/env bash
# How fast and how lean, on this machine, against the bounds: speed of the written files and time of a whole run beside
# those of ONNX Runtime's own quantizer, calibration time and peak memory beside plain inference. Figures for people, no
# tests. The peer goes into a virtual environment under build/bench; neither set-up nor tests need it.
#
#   scripts/bench.sh [speed] [run] [calibration] [compare] [fix] [survey] [memory] [large] [--models MODEL ...] [--cpu N] [...]      --help lists the rest
#
# QCONVERT_TEST_DATA names the folder with the real models and images.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

mkdir -p build
for target in qconvert plain_inference resnet50_shaped; do
  scripts/build.sh build "$target" >build/bench_build.log 2>&1 || { cat build/bench_build.log >&2; exit 1; }
done

peer=build/bench/venv
if [ -z "${PEER_PYTHON:-}" ] && ! "$peer/bin/python" -c 'import onnx, onnxruntime, PIL, sympy' 2>/dev/null; then
  install_missing python3-venv
  say "installing the peer into $peer: onnxruntime, onnx, sympy, Pillow"
  python3 -m venv "$peer"
  "$peer/bin/pip" install --quiet onnxruntime onnx sympy pillow
fi
exec python3 scripts/bench.py "$@"
