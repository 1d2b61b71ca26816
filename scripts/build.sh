#!/usr/bin/env bash
# Configures and builds.     scripts/build.sh FOLDER TARGET [-D...]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 target=$2
shift 2
command -v ccache >/dev/null 2>&1 && set -- -DCMAKE_CXX_COMPILER_LAUNCHER=ccache "$@"
# A folder that was configured by hand keeps its generator.
[ -f "$folder/CMakeCache.txt" ] || set -- -G Ninja "$@"
mkdir -p "$folder"
cmake -S . -B "$folder" "$@" >"$folder/configure.log" 2>&1 || { cat "$folder/configure.log" >&2; exit 1; }
cmake --build "$folder" --target "$target" --parallel "$(nproc)"
