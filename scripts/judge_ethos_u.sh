#!/usr/bin/env bash
# What Arm's own compiler makes of .tflite files written for the target ethos-u: how many operators it places on the NPU
# and how many it leaves to the processor. Optional: needs `vela` (the Python package ethos-u-vela), no test uses it.
#     scripts/judge_ethos_u.sh FILE.tflite...          VELA=/path/to/vela  ACCELERATOR=ethos-u55-128
set -euo pipefail
vela=${VELA:-vela}
command -v "$vela" >/dev/null 2>&1 || { echo "vela is not there: install the Python package ethos-u-vela, or set VELA" >&2; exit 77; }
[ $# -gt 0 ] || { echo "usage: $0 FILE.tflite..." >&2; exit 1; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0
for file in "$@"; do
  if "$vela" "$file" --output-dir "$out" --accelerator-config "${ACCELERATOR:-ethos-u55-128}" >"$out/log" 2>&1; then
    counts=$(grep -E '^(CPU|NPU) operators' "$out/log" | tr -s ' ' | tr '\n' ' ')
    printf '%-48s %s\n' "$(basename "$file")" "$counts"
    grep -E "is a CPU only op|placing on CPU|^ - " "$out/log" | sort | uniq -c | sort -rn | head -5 || true
  else
    printf '%-48s refused\n' "$(basename "$file")"
    tail -3 "$out/log"
    failed=1
  fi
done
exit $failed
