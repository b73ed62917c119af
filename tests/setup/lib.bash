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

# Images are made without a registry for images. Scripts that make one hold the lock `images`.
base=parallel-pytest-test/base:trixie debian_suite=trixie base_python=3.13

# base_image: Debian as debootstrap makes it, in place of debian:trixie-slim.
base_image() {
  local root=$cache/images/base archive
  docker image inspect "$base" >/dev/null 2>&1 && return
  say "making the base image with debootstrap"
  debian debootstrap
  archive=$(mirror)
  rm -rf "$root"
  mkdir -p "$root"
  debootstrap --variant=minbase "$debian_suite" "$root" "$archive" >"$cache/debootstrap.log" 2>&1 ||
    die "debootstrap failed, see $cache/debootstrap.log"
  # Builds from this image fetch packages the way this machine does.
  apt-config dump --format '%F "%v";%n' | grep -E '^Acquire::(https?|Check-|ForceIP|Retries)' >"$root/etc/apt/apt.conf.d/00machine" || true
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
  tar -C "$root" --numeric-owner --one-file-system -c . | docker import - "$base" >/dev/null
  rm -rf "$root"
}

# wheels CONTEXT PACKAGE…: into CONTEXT/wheels, for the Python of the base image. The machine's own pip fetches, so that its index
# and certificates need not go into an image.
wheels() {
  local context=$1 wanted="$base_python ${*:2}"
  [ "$(cat "$context/wanted" 2>/dev/null)" != "$wanted" ] || return 0
  say "fetching ${*:2}"
  rm -rf "$context/wheels"
  mkdir -p "$context/wheels"
  again python3 -m pip download -q -d "$context/wheels" --only-binary=:all: --python-version "$base_python" \
    --platform "manylinux_2_28_$(uname -m)" --platform "manylinux2014_$(uname -m)" "${@:2}"
  echo "$wanted" >"$context/wanted"
}

# build TAG CONTEXT ARGUMENT…
build() {
  local log=$cache/images/build.log before
  mkdir -p "$cache/images"
  before=$(docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || true)
  docker buildx build --load --network host --tag "$1" "${@:3}" "$2" >"$log" 2>&1 </dev/null || {
    tail -30 "$log" >&2
    die "docker build of $1 failed, see $log"
  }
  # The image that had the name until now; it stays while a container uses it.
  if [ -n "$before" ] && [ "$before" != "$(docker image inspect --format '{{.Id}}' "$1")" ]; then
    docker image rm "$before" >/dev/null 2>&1 || true
  fi
  say "image $1, $(($(docker image inspect --format '{{.Size}}' "$1") / 1048576)) MiB"
}
