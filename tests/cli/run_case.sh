#!/usr/bin/env bash
# Runs one command-line case and judges it from outside.       run_case.sh QCONVERT CASE.sh
#
# A case is up to four files side by side:
#   NAME.sh           the commands; helpers below; the working directory is fresh and empty
#   NAME.exit         the exit code that the last command must have (no file: 0)
#   NAME.stdout.glob  one shell glob a line; each must match a whole line of the output, in this order, other lines
#   NAME.stderr.glob  may stand between. A line "!GLOB" must match no line at all. An empty file: no output at all.
#                     No file: not looked at. Brackets in globs need a backslash.
# Besides, in every case: nothing may stay in the temporary folder, no half-written file (*.tmp) anywhere, and where
# qconvert fails no quantized file and no report, but for those named *.rejected.
set -u
qconvert=$(realpath "$1")
case_file=$(realpath "$2")
name=${case_file%.sh}
tests=$(dirname "$(dirname "$case_file")")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/here" "$work/tmp"

(
  export QCONVERT=$qconvert DATA=$tests/data SAMPLE=$tests/data/sample TMPDIR=$work/tmp
  cd "$work/here" || exit 99
  set -eu

  # The sample with few pictures, files into out/: the ordinary run that most cases vary.
  quantize_sample() {
    "$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out --set /representative_dataset/max_images=24 "$@"
  }
  # Any model on the sample's pictures, with the text after the model's name as the config.
  quantize_with() {
    local model=$1
    printf '%s\n' "$2" > config.json
    shift 2
    "$QCONVERT" "$model" --config config.json -o out "$@"
  }
  fail() { printf 'case failed: %s\n' "$*" >&2; exit 98; }

  . "$case_file"
) > "$work/stdout" 2> "$work/stderr" < /dev/null
exit_code=$?

wrong=()
expected=0
[ -f "$name.exit" ] && expected=$(cat "$name.exit")
[ "$exit_code" = "$expected" ] || wrong+=("exit code $exit_code instead of $expected")

# Lines of the glob file against lines of the output, in order.
match() {
  local stream=$1 globs=$name.$1.glob output=() i=0 found pattern line
  [ -f "$globs" ] || return 0
  if [ ! -s "$globs" ]; then
    [ ! -s "$work/$stream" ] || wrong+=("$stream is not empty")
    return 0
  fi
  mapfile -t output < "$work/$stream"
  while IFS= read -r pattern || [ -n "$pattern" ]; do
    if [ "${pattern#!}" != "$pattern" ]; then
      for line in "${output[@]}"; do
        # shellcheck disable=SC2053  # a glob on purpose
        [[ $line == ${pattern#!} ]] && wrong+=("$stream has a line like '${pattern#!}'")
      done
      continue
    fi
    found=
    while [ $i -lt ${#output[@]} ] && [ -z "$found" ]; do
      # shellcheck disable=SC2053
      [[ ${output[i]} == $pattern ]] && found=yes
      i=$((i + 1))
    done
    [ -n "$found" ] || { wrong+=("$stream has no line like '$pattern' (after the ones before it)"); return 0; }
  done < "$globs"
}
match stdout
match stderr

unwanted() { find "$@" -printf '%P ' 2>/dev/null; }
left=$(unwanted "$work/tmp" -mindepth 1)
[ -z "$left" ] || wrong+=("left in the temporary folder: $left")
left=$(unwanted "$work/here" -name '*.tmp')
[ -z "$left" ] || wrong+=("half-written: $left")
if [ "$expected" != 0 ]; then
  left=$(unwanted "$work/here" '(' -name '*.quant.*' -o -name '*.report.*' ')' ! -name '*.rejected')
  [ -z "$left" ] || wrong+=("written although qconvert failed: $left")
fi

[ ${#wrong[@]} -eq 0 ] && exit 0
printf 'FAILED %s\n' "$(basename "$name")"
printf '  %s\n' "${wrong[@]}"
printf -- '--- stdout\n%s\n--- stderr\n%s\n' "$(head -c 8000 "$work/stdout")" "$(head -c 8000 "$work/stderr")"
exit 1
