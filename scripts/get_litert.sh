#!/usr/bin/env bash
# Makes LiteRT available to the tests, which run every written .tflite file in it: the WebAssembly build of the npm
# package @litertjs/core (tests/litert/run.mjs), of which two files are enough. Debian has no LiteRT; its nodejs, from
# version 18 on, runs this. The registry is the one that this machine's npm is configured with.
#
#   scripts/get_litert.sh [FOLDER]     default: .deps/litert, where the tests look
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

PACKAGE=@litertjs/core@2.5.3  # one version for all: bounds in the tests are measured on it
FILES=(litert_wasm_compat_internal.js litert_wasm_compat_internal.wasm)

folder=${1:-.deps/litert}
command -v node >/dev/null 2>&1 || install_missing nodejs
if [ "$(cat "$folder/package" 2>/dev/null)" = "$PACKAGE" ]; then
  exit
fi
command -v npm >/dev/null 2>&1 || install_missing npm
say "LiteRT for the tests: fetching npm $PACKAGE"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack "$PACKAGE" --silent --cache "$work/npm" >/dev/null) || die "npm could not fetch $PACKAGE"
mkdir -p "$work/new" "$(dirname "$folder")"
tar -xzf "$work"/litertjs-core-*.tgz -C "$work/new" --strip-components=2 "${FILES[@]/#/package/wasm/}"
printf '%s\n' "$PACKAGE" >"$work/new/package"
rm -rf "$folder"
mv "$work/new" "$folder"
say "LiteRT for the tests: $PACKAGE, in $folder"
