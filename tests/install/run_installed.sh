#!/usr/bin/env bash
# Installs a build into a fresh prefix and uses it from another folder: the runtime must be the one that was installed.
#     run_installed.sh CMAKE BUILD_FOLDER SAMPLE_FOLDER
set -euo pipefail
cmake=$1 build=$2 sample=$3
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
"$cmake" --install "$build" --prefix "$prefix/usr" > "$prefix/install.log"
mkdir "$prefix/elsewhere"
cd "$prefix/elsewhere"
unset LD_LIBRARY_PATH
qconvert=$prefix/usr/bin/qconvert

runtime=$(ldd "$qconvert" | sed -n 's/.*libonnxruntime[^ ]* => \([^ ]*\).*/\1/p')
case "$(realpath "$runtime")" in
  "$(realpath "$prefix")"/*) ;;
  *) echo "the installed binary takes ONNX Runtime from '$runtime'"; exit 1 ;;
esac
"$qconvert" targets | grep -q '^int8 '
"$qconvert" "$sample/model.onnx" --config "$sample/config.json" -q -o . --set /representative_dataset/max_images=8 > report.txt
test -s model.quant.onnx
grep -q '"path"' "$prefix/usr/share/qconvert/int8.json"
