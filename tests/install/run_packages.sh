#!/usr/bin/env bash
# Makes both packages, unpacks each into an empty root, and uses it from there with an empty environment: the first command
# of the README on the sample, and the steps of the GitHub workflow. Sizes are bounded.
#     run_packages.sh CPACK BUILD_FOLDER SAMPLE_FOLDER
set -euo pipefail
cpack=$1 build=$2 sample=$3 here=$(dirname "$(realpath "$0")")
kMostPacked=20000000 kMostInstalled=60000000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
(cd "$build" && "$cpack" -G 'DEB;TGZ' -B "$work/packages") > "$work/cpack.log" 2>&1 || { cat "$work/cpack.log"; fail "cpack"; }
deb=$(ls "$work"/packages/*.deb) archive=$(ls "$work"/packages/*.tar.gz)

mkdir "$work/deb" "$work/tgz"
dpkg-deb -x "$deb" "$work/deb"
tar -xzf "$archive" -C "$work/tgz" --strip-components=1
dpkg-deb -f "$deb" Depends | grep -q 'libc6' || fail "the .deb names no libraries that it depends on"

for root in "$work/deb/usr" "$work/tgz"; do
  mkdir "$root/../elsewhere" 2> /dev/null || true
  cd "$root/../elsewhere"
  clean() { env -i PATH=/usr/bin:/bin HOME="$PWD" "$root/bin/qconvert" "$@"; }
  clean "$sample/model.onnx" --config "$sample/config.json" -o sample > report.txt
  grep -q '^written: sample/model.quant.onnx' report.txt || fail "$root: no model"
  clean doctor | grep -q '^ONNX Runtime' || fail "$root: doctor"
  runtime=$(env -i PATH=/usr/bin:/bin ldd "$root/bin/qconvert" | sed -n 's/.*libonnxruntime[^ ]* => \([^ ]*\).*/\1/p')
  [[ $(realpath "$runtime") == "$(realpath "$root")"/* ]] || fail "$root: the runtime comes from '$runtime'"
  for file in share/man/man1/qconvert.1* share/bash-completion/completions/qconvert share/zsh/vendor-completions/_qconvert \
      share/fish/vendor_completions.d/qconvert.fish share/qconvert/int8.json share/qconvert/targets/int8.json \
      share/qconvert/examples/Makefile share/qconvert/TROUBLESHOOTING.md; do
    compgen -G "$root/$file" > /dev/null || fail "$root: no $file"
  done
  test -z "$(find "$root" -name '*.a' -o -name '*.h')" || fail "$root: the library's parts are in the package"
  installed=$(du -sb "$root" | cut -f1)
  [ "$installed" -le $kMostInstalled ] || fail "$root: $installed bytes installed"
  echo "installed: $installed bytes"
done
for package in "$deb" "$archive"; do
  [ "$(stat -c %s "$package")" -le $kMostPacked ] || fail "$(basename "$package"): $(stat -c %s "$package") bytes"
  echo "$(basename "$package"): $(stat -c %s "$package") bytes"
done

# The workflow: each `run: |` block in a shell of its own, with what the runner gives.
mkdir -p "$work/repository/tools" "$work/runner"
cd "$work/repository"
cp "$archive" tools/
cp "$sample/model.onnx" "$sample/labels.csv" .
cp "$sample/config.json" quant.json
cp -r "$sample/calib" "$sample/eval" .
awk -v out="$work/step" '
  /^ *run: \|/ { n++; match($0, /^ */); indent = RLENGTH; next }
  n && !/^ *$/ { match($0, /^ */); if (RLENGTH <= indent) indent = 1000; else if (indent < 1000) print substr($0, indent + 3) > (out n ".sh") }
' "$here/../../configs/examples/github_actions.yml"
export RUNNER_TEMP=$work/runner GITHUB_PATH=$work/path GITHUB_STEP_SUMMARY=$work/summary.md
: > "$GITHUB_PATH"
test -s "$work/step3.sh" || fail "the workflow has fewer steps than three"
for step in "$work"/step?.sh; do
  PATH=$(tr '\n' ':' < "$GITHUB_PATH")$PATH bash -e -o pipefail "$step" > "$work/step.log" 2>&1 || { cat "$work/step.log"; fail "$(cat "$step")"; }
done
grep -q '^|' "$GITHUB_STEP_SUMMARY" || fail "no table in the summary"
grep -q 'top1_drop <= 1.*held' "$work/step.log" || fail "nothing was judged"
echo "passed"
