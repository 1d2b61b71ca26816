# Sourced by the set-up scripts: Debian packages, installed only when missing, as root or with sudo.

say() { printf '%s\n' "set-up: $*" >&2; }
die() { printf '%s\n' "set-up: $*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    die "this needs root or sudo: $*"
  fi
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | head -n 1)" = installed ]
}

# Prints nothing and touches nothing when all of them are there; so it can stand at the head of every script.
install_missing() {
  local package missing=()
  command -v dpkg-query >/dev/null 2>&1 ||
    die "not a Debian-like system; install what these Debian packages hold, then build with CMake: $*"
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "installing Debian packages: ${missing[*]}"
  local log
  log=$(mktemp)
  as_root apt-get update -qq >"$log" 2>&1 || say "apt-get update had complaints; going on with the lists at hand"
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" >>"$log" 2>&1 ||
    { cat "$log" >&2; rm -f "$log"; die "apt-get could not install: ${missing[*]}"; }
  rm -f "$log"
}
