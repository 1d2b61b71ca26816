#!/usr/bin/env bash
# Installs what building qconvert needs and this machine lacks; says what it installs; silent when nothing is missing.
#
#   scripts/setup.sh            to build and run
#   scripts/setup.sh tests      to run the tests as well
#   scripts/setup.sh fuzzers    to build the fuzzers as well
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

BUILD=(build-essential cmake ninja-build
       libcli11-dev libspdlog-dev nlohmann-json3-dev libonnx-dev libprotobuf-dev protobuf-compiler
       libeigen3-dev libjpeg-dev libpng-dev libwebp-dev zlib1g-dev
       libflatbuffers-dev flatbuffers-compiler
       catch2)  # the tests belong to the build
TESTS=(clang-format clang-tidy python3
       chromium)  # opens the HTML reports
FUZZERS=(clang)

wanted=("${BUILD[@]}")
for what in "$@"; do
  case "$what" in
    tests) wanted+=("${TESTS[@]}") ;;
    fuzzers) wanted+=("${FUZZERS[@]}") ;;
    *) die "unknown: '$what' (tests, fuzzers)" ;;
  esac
done
install_missing "${wanted[@]}"
case " $* " in
  *" fuzzers "*)  # the sanitizers' and libFuzzer's libraries carry clang's version in their name
    version=$(clang -dumpversion)
    install_missing "libclang-rt-${version%%.*}-dev" ;;
esac
scripts/get_onnxruntime.sh
case " $* " in
  *" tests "*) scripts/get_litert.sh ;;
esac
