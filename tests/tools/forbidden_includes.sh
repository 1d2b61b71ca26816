#!/usr/bin/env bash
# Trees that break one rule of the map each, and one that breaks none.       forbidden_includes.sh CHECK_INCLUDES.py
set -euo pipefail
check=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# tree ROOMS FILE LINE: the qc_room() calls, and a source with one include.
tree() {
  rm -rf "${work:?}/tree"
  mkdir -p "$work/tree/lib/"{base,sort,pack} "$work/tree/apps"
  printf '%s\n' "$1" >"$work/tree/CMakeLists.txt"
  for room in base sort pack; do echo '#pragma once' >"$work/tree/lib/$room/$room.h"; done
  printf '%s\n' "$3" >"$work/tree/lib/$2"
}
refuses() {  # GLOB, which must match what is said
  local said
  if said=$("$check" "$work/tree"); then echo "accepted, and should say: $1" && exit 1; fi
  # shellcheck disable=SC2053
  [[ $said == $1 ]] || { echo "said '$said' instead of: $1" && exit 1; }
}

good=$'qc_room(base)\nqc_room(sort STAGE KNOWS base)\nqc_room(pack STAGE KNOWS base)'
tree "$good" sort/sort.cpp '#include "base/base.h"'
"$check" "$work/tree"
tree "$good" sort/sort.cpp '#include "pack/pack.h"'
refuses "lib/sort/sort.cpp:1: *room 'sort' does not know room 'pack'"
tree "${good/pack STAGE KNOWS base/pack STAGE KNOWS base sort}" pack/pack.cpp '#include "sort/sort.h"'
refuses "CMakeLists.txt: stage room 'pack' knows stage room 'sort'"
tree "${good/qc_room(base)/qc_room(base KNOWS sort)}" sort/sort.cpp '#include "base/base.h"'
refuses "CMakeLists.txt: room 'base' knows 'sort', which is not declared above it*"
tree "$good" sort/sort.cpp '#include <png.h>'
refuses "lib/sort/sort.cpp:1: <png.h> is seen by sort, not linked with PNG::PNG"
