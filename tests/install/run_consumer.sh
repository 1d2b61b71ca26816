#!/usr/bin/env bash
# Installs a build into a fresh prefix and builds from there: a program that links the library, and a model as a CMake target
# under both kinds of build files, which must be quantized once, and again only when something has changed.
#     run_consumer.sh CMAKE BUILD_FOLDER SAMPLE_FOLDER [-D...]
set -euo pipefail
cmake=$1 build=$2 sample=$3 here=$(dirname "$(realpath "$0")")
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
"$cmake" --install "$build" --prefix "$work/usr" > "$work/install.log"

lay_out() {  # FOLDER: model, config and a few pictures
  cp "$sample/model.onnx" "$1/model.onnx"
  mkdir "$1/calib"
  for picture in $(ls "$sample/calib" | head -24); do cp "$sample/calib/$picture" "$1/calib/"; done
  cp "$sample/config.json" "$1/quant.json"
}
built() { "$cmake" --build "$1" > "$work/build.log" 2>&1 || { cat "$work/build.log"; fail "building in $1"; }; }
runs() { grep -c 'Quantizing' "$work/build.log" || true; }

cp -r "$here/consumer" "$work/consumer"
lay_out "$work/consumer"
"$cmake" -S "$work/consumer" -B "$work/consumer/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/usr" "$@" > "$work/configure.log"
built "$work/consumer/build"
"$work/consumer/build/consumer" "$work/consumer/model.onnx" | grep -q 'reads [0-9]* nodes' || fail "the program that links the library"
test -s "$work/consumer/build/model.quant.tflite" || fail "no .tflite"

for generator in Ninja 'Unix Makefiles'; do
  folder=$work/example-${generator%% *}
  mkdir "$folder"
  cp "$here/../../configs/examples/CMakeLists.txt" "$folder/"
  lay_out "$folder"
  "$cmake" -S "$folder" -B "$folder/build" -G "$generator" -DCMAKE_PREFIX_PATH="$work/usr" > "$work/configure.log"
  built "$folder/build"
  test "$(runs)" = 1 || fail "$generator: the first build"
  test -s "$folder/build/model.size" || fail "$generator: what depends on the model"
  built "$folder/build"
  test "$(runs)" = 0 || fail "$generator: the second build quantized again"
  sleep 1
  touch "$folder/calib/$(ls "$folder/calib" | head -1)"
  before=$(stat -c %Y "$folder/build/model.quant.onnx")
  built "$folder/build"
  test "$(runs)" = 1 || fail "$generator: a picture was touched"
  test "$(stat -c %Y "$folder/build/model.quant.onnx")" = "$before" || fail "$generator: the same model was written again"
  built "$folder/build"
  test "$(runs)" = 0 || fail "$generator: and again without a reason"
  rm "$folder/build/model.quant.onnx"
  built "$folder/build"
  test "$(runs)" = 1 && test -s "$folder/build/model.quant.onnx" || fail "$generator: a model that is gone is not made again"
  sleep 1
  cp "$folder/calib/$(ls "$folder/calib" | head -1)" "$folder/calib/2024-01-01T12:30:00.png"
  built "$folder/build"
  test "$(runs)" = 1 || fail "$generator: a picture that is new"
  built "$folder/build"
  test "$(runs)" = 0 || fail "$generator: a picture with ':' in its name"
  rm "$folder/calib/2024-01-01T12:30:00.png"
  built "$folder/build"
  test "$(runs)" = 1 || fail "$generator: a picture that is gone"
done
echo "passed"
