#!/usr/bin/env bash
# Configures and builds.     scripts/build.sh FOLDER TARGET [-D...]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 target=$2
shift 2
if command -v ccache >/dev/null 2>&1; then
  # One clone's objects serve the next: paths below the clone do not count, nor does the folder that is built in.
  export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$PWD}" CCACHE_NOHASHDIR=1
  set -- -DCMAKE_CXX_COMPILER_LAUNCHER=ccache "$@"
fi
# A folder that was configured by hand keeps its generator.
[ -f "$folder/CMakeCache.txt" ] || set -- -G Ninja "$@"
mkdir -p "$folder"
cmake -S . -B "$folder" "$@" >"$folder/configure.log" 2>&1 || { cat "$folder/configure.log" >&2; exit 1; }
cmake --build "$folder" --target "$target" --parallel "$(nproc)"
