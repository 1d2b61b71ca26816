#!/usr/bin/env bash
# Every test of the repository, from a clean clone: installs what is missing, builds, tests, and closes with a table of
# what passed and how long it took. All stages run even if one fails; the exit code says whether all passed.
#
#   scripts/test.sh             set-up, format, includes, Release tests, sanitized tests, lint, real models
#   scripts/test.sh --fuzz      the fuzzers as well, a minute each (CI=true does so by itself)
#
# QCONVERT_TEST_DATA names the folder with the real models and images; unset, they are not tested, and the table says so.
set -uo pipefail
cd "$(dirname "$0")/.."

fuzz=${CI:-false}
for option in "$@"; do
  case "$option" in
    --fuzz) fuzz=true ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 1 ;;
  esac
done
jobs=$(nproc)

# --- stages ---------------------------------------------------------------------------------------------------------
set_up() {
  if [ "$fuzz" = true ]; then scripts/setup.sh tests fuzzers; else scripts/setup.sh tests; fi
}

own_files() { git ls-files --cached --others --exclude-standard -- "$@"; }

# clang-format's taste changes with its version; only the one that the files were formatted with may judge.
format_check() {
  case "$(clang-format --version)" in
    *"version 14."*) own_files 'apps/*.cpp' 'apps/*.h' 'lib/*.cpp' 'lib/*.h' 'tests/*.cpp' 'tests/*.h' | xargs clang-format --dry-run -Werror ;;
    *) echo "not checked: the house is formatted by clang-format 14" ;;
  esac
}

release_build() { scripts/build.sh build all; }
release_tests() { ctest --test-dir build -j "$jobs" --output-on-failure; }

sanitized_build() {
  scripts/build.sh build-asan all -DQCONVERT_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1"
}
sanitized_tests() {
  # Leaks count, but for those inside libraries that are not ours and not instrumented.
  ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 \
  LSAN_OPTIONS="suppressions=$PWD/tests/sanitizers/leaks.txt:print_suppressions=0" \
  UBSAN_OPTIONS=print_stacktrace=1 \
    ctest --test-dir build-asan -j "$jobs" --output-on-failure
}

# One clang-tidy a file, as many at a time as there are processors. Flags of g++ that clang does not know are no news.
lint() {
  own_files 'lib/*.cpp' 'apps/*.cpp' |
    xargs -P "$jobs" -n 1 clang-tidy -quiet -p build --extra-arg=-Wno-unknown-warning-option 2> build/lint.log ||
    { grep -E 'error:|Error' build/lint.log; return 1; }
}

fuzzers_build() {
  scripts/build.sh build-fuzz fuzzers -DQCONVERT_FUZZ=ON -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" -DCMAKE_CXX_FLAGS=-Wno-unknown-warning-option
}
fuzzers() {
  ctest --test-dir build-fuzz -j "$jobs" --output-on-failure -R '^fuzz\..*\.search$' ||
    { echo "inputs that broke a target are in build-fuzz/found/*/broken; keep them in tests/fuzz/found/<target>"; return 1; }
}

real_models() {
  [ -d "$QCONVERT_TEST_DATA/models" ] || { echo "QCONVERT_TEST_DATA=$QCONVERT_TEST_DATA has no folder 'models'"; return 1; }
  # The same models as .tflite are judged by scripts/real_models_tflite.sh, by hand: it takes ten minutes.
  scripts/real_models.sh
}

# --- running them ---------------------------------------------------------------------------------------------------
table=()
failed=0
stage() {
  local name=$1 started=$SECONDS
  shift
  printf '\n=== %s\n' "$name"
  if "$@"; then
    table+=("$(printf 'passed  %4d s  %s' $((SECONDS - started)) "$name")")
  else
    table+=("$(printf 'FAILED  %4d s  %s' $((SECONDS - started)) "$name")")
    failed=1
    return 1
  fi
}
not_run() { table+=("$(printf 'not run         %s' "$1")"); }

stage "set-up" set_up || exit 1
stage "format" format_check
if stage "Release build" release_build; then
  stage "tests" release_tests
  stage "lint" lint
fi
stage "build with address and undefined sanitizers" sanitized_build && stage "tests, sanitized" sanitized_tests
if [ "$fuzz" = true ]; then
  stage "fuzzers' build" fuzzers_build && stage "fuzzers, a minute each" fuzzers
else
  not_run "fuzzers (--fuzz)"
fi
if [ -n "${QCONVERT_TEST_DATA:-}" ]; then
  stage "real models" real_models
else
  not_run "real models (QCONVERT_TEST_DATA names their folder)"
fi

printf '\n'
printf '%s\n' "${table[@]}"
exit $failed
