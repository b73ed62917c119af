# shellcheck shell=bash
# What the set-up scripts share. Each is run by hand or by tests/run, prints what it does, and is quick when all is there.
# shellcheck disable=SC2034,SC2154 # what is set here is used by the scripts, and the other way round

set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${PARALLEL_PYTEST_CACHE:-$HOME/.cache/parallel-pytest-tests}
mkdir -p "$cache"
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf 'setup: %s\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# one_at_a_time NAME: the rest of the script waits until no other run of it is under way.
one_at_a_time() {
  exec {setup_lock}>"$cache/$1.lock"
  flock "$setup_lock"
}

# again COMMAND…: a package index can be locked by somebody else's apt, or hiccup.
again() {
  local try
  for try in 1 2 3 4 5; do
    "$@" && return
    say "try $try of 5 failed: $*"
    sleep $((try * 4))
  done
  die "failed five times: $*"
}

# debian PACKAGE…: installs what is missing with the machine's own apt.
debian() {
  local package missing=()
  for package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  [ "$(id -u)" = 0 ] || die "needs root to install ${missing[*]}: run as root, or install them first"
  say "installing ${missing[*]} from Debian"
  again apt-get -qq update
  again apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" </dev/null >"$cache/apt.log" 2>&1 ||
    die "apt-get install failed, see $cache/apt.log"
}

# mirror: the Debian archive this machine installs from.
mirror() {
  # shellcheck disable=SC2016 # apt's own placeholders
  apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' 2>/dev/null |
    grep -v -e security -e snapshot -m1 || die "apt has no Debian archive among its sources"
}

# newer_debian PACKAGE… DIR: unpacks packages of the newer stable release into DIR. It has an apt world of its own, so the
# machine's sources, pins and locks stay as they are.
newer_debian() {
  local suite=trixie into=${*: -1} world=$cache/apt-trixie archive
  archive=$(mirror)
  local apt=(apt-get -qq -o Dir::State="$world/state" -o Dir::Cache="$world/cache" -o Dir::Etc::SourceList="$world/sources.list"
    -o Dir::Etc::SourceParts=/nonexistent -o Dir::State::Status="$world/status" -o APT::Sandbox::User=root)
  mkdir -p "$world/state/lists/partial" "$world/cache/archives/partial" "$into"
  : >"$world/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $suite main" >"$world/sources.list"
  again "${apt[@]}" update
  (cd "$world/cache" && rm -f ./*.deb && again "${apt[@]}" download "${@:1:$#-1}")
  local deb
  for deb in "$world"/cache/*.deb; do dpkg -x "$deb" "$into"; done
}

# venv NAME REQUIREMENT…: a venv in the cache with exactly these packages.
venv() {
  local name=$1 home=$cache/venvs/$1 wanted
  shift
  wanted=$(printf '%s\n' "$@")
  if [ "$(cat "$home/wanted" 2>/dev/null)" != "$wanted" ]; then
    say "making the venv $name with $*"
    rm -rf "$home"
    python3 -m venv "$home"
    again "$home/bin/pip" install -q "$@"
    printf '%s\n' "$wanted" >"$home/wanted"
  fi
}
