#!/usr/bin/env bash
# Makes ONNX Runtime available, by the first way that works, and says which:
#   1. it is already in .deps/ or installed
#   2. the distribution's package libonnxruntime-dev
#   3. an official release that you have: ONNXRUNTIME_RELEASE=onnxruntime-linux-x64-1.x.y.tgz
#   4. headers from Debian trixie's libonnxruntime-dev (unpacked, not installed: bookworm has no such package) and the
#      library from the npm package onnxruntime-node, which is built for glibc 2.28. The C API is versioned: an older
#      header with a newer library is what its authors support.
# Mirrors and registries are those that this machine is configured with.
#
#   scripts/get_onnxruntime.sh [FOLDER]     default: .deps/onnxruntime, where CMakeLists.txt looks
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

NODE_PACKAGE=onnxruntime-node@1.30.0  # one version for all: the verdicts in the tests are this runtime's
DEBIAN_SUITE=trixie

folder=${1:-.deps/onnxruntime}
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

already_there() {
  [ -f "$folder/include/onnxruntime/onnxruntime_cxx_api.h" ] && [ -e "$folder/lib/libonnxruntime.so" ] && return
  is_installed libonnxruntime-dev && return
  [ -e /usr/local/lib/libonnxruntime.so ] || return 1  # installed by hand, headers where CMakeLists.txt looks
  local below
  for below in "" onnxruntime/ onnxruntime/core/session/; do
    [ -f "/usr/local/include/${below}onnxruntime_cxx_api.h" ] && return
  done
  return 1
}

from_distribution() {
  apt-cache show libonnxruntime-dev >/dev/null 2>&1 || return 1
  install_missing libonnxruntime-dev
  say "ONNX Runtime: the distribution's libonnxruntime-dev"
}

# Moves the collected headers and library into place in one step, so that an interrupted run leaves nothing half.
put() {
  local headers=$1 library=$2 new=$work/new
  mkdir -p "$new/include/onnxruntime" "$new/lib" "$(dirname "$folder")"
  cp -R "$headers/." "$new/include/onnxruntime/"
  cp "$library" "$new/lib/libonnxruntime.so.1"
  ln -s libonnxruntime.so.1 "$new/lib/libonnxruntime.so"
  rm -rf "$folder"
  mv "$new" "$folder"
}

from_release() {
  [ -n "${ONNXRUNTIME_RELEASE:-}" ] || return 1
  tar -xzf "$ONNXRUNTIME_RELEASE" -C "$work" --strip-components=1 || die "cannot unpack $ONNXRUNTIME_RELEASE"
  put "$work/include" "$work/lib/libonnxruntime.so.1"
  say "ONNX Runtime: $(basename "$ONNXRUNTIME_RELEASE")"
}

# The address of Debian's main archive among this machine's package sources (not its security archive, not others').
debian_mirror() {
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(SITE)' 'Created-By: Packages' |
    awk -F'|' '$1 == "Debian" && $2 == "Debian" && $3 == "main" { print $4; exit }'
}

headers_from_debian() {
  local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=$(debian_mirror)
  if [ -z "$mirror" ]; then  # lists never fetched on this machine: origins are not known yet
    as_root apt-get update -qq >&2
    mirror=$(debian_mirror)
  fi
  [ -n "$mirror" ] && [ -r "$keyring" ] || return 1
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/headers"
  cat > "$work/apt/headers.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: $DEBIAN_SUITE
Components: main
Targets: Packages
Signed-By: $keyring
SOURCES
  # An apt of its own: nothing of the machine's lists, cache or hooks is touched; proxies and the like stay as set.
  cat > "$work/apt/apt.conf" <<CONFIG
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$work/apt/";
Dir::State::Lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
Acquire::Languages "none";
APT::Sandbox::User "";
CONFIG
  apt-get -c "$work/apt/apt.conf" update -qq >&2 || return 1
  (cd "$work" && apt-get -c "$work/apt/apt.conf" download -qq libonnxruntime-dev >&2) || return 1
  dpkg-deb -x "$work"/libonnxruntime-dev_*.deb "$work/headers"
}

library_from_npm() {
  local arch
  case "$(uname -m)" in
    x86_64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) return 1 ;;
  esac
  command -v npm >/dev/null 2>&1 || install_missing nodejs npm
  (cd "$work" && npm pack "$NODE_PACKAGE" --silent --cache "$work/npm" >/dev/null) || return 1
  tar -xzf "$work"/onnxruntime-node-*.tgz -C "$work" "package/bin/napi-v6/linux/$arch/libonnxruntime.so.1" || return 1
  mv "$work/package/bin/napi-v6/linux/$arch/libonnxruntime.so.1" "$work/"
}

from_registries() {
  say "ONNX Runtime: fetching headers (Debian $DEBIAN_SUITE) and library (npm $NODE_PACKAGE)"
  headers_from_debian || return 1
  library_from_npm || return 1
  put "$work/headers/usr/include/onnxruntime" "$work/libonnxruntime.so.1"
  say "ONNX Runtime: Debian $DEBIAN_SUITE's headers and npm's $NODE_PACKAGE, in $folder"
}

already_there && exit
work=$(mktemp -d)
from_distribution || from_release || from_registries ||
  die "no ONNX Runtime to be had here; get an official release for this machine and say ONNXRUNTIME_RELEASE=FILE.tgz"
