#!/bin/sh
# How fast the threshold search is on this machine: builds and runs tests/bench/threshold_bench.cpp.
# Usage: scripts/bench_threshold.sh [build folder]      (default: build)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build}
[ -f "$build/CMakeCache.txt" ] || cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release
cmake --build "$build" --target threshold_bench
exec "$build/tests/bench/threshold_bench"
