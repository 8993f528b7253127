#!/usr/bin/env bash
# Installs what pagejit is built with, on Debian 12 or a relative of it; with --tests also the servers that tests start
# for themselves, and Python's headers. Says nothing when all of it is there.
set -euo pipefail

packages=(g++ cmake ninja-build ccache mold
          llvm-22-dev zlib1g-dev libzstd-dev libxxhash-dev libfmt-dev
          libboost-context-dev nlohmann-json3-dev libcli11-dev doctest-dev
          libcurl4-openssl-dev libhiredis-dev libssl-dev)
[ "${1:-}" = --tests ] && packages+=(redis-server nginx-light python3-venv python3-dev)

die() { echo "pagejit: $*" >&2; exit 1; }

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

command -v apt-get >/dev/null ||
  die "these packages are missing and there is no apt-get to install them with: ${missing[*]}. Install their like by hand."
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || die "these packages are missing: ${missing[*]}. Run this as root, or install sudo."
  as_root=(sudo)
fi

echo "pagejit: installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" </dev/null >>"$log" 2>&1; }
apt update || echo "pagejit: apt-get update failed; trying with the package lists that are there" >&2
if ! apt install --no-install-recommends "${missing[@]}"; then
  tail -n 15 "$log" >&2
  die "apt-get could not install ${missing[*]} (its last words are above). llvm-22-dev comes from Debian 12's" \
      "security archive: /etc/apt/sources.list must name bookworm-security. Other systems: https://apt.llvm.org has it."
fi
