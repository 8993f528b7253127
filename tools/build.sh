#!/usr/bin/env bash
# Configures and builds a preset, and shows what the tools said only when one of them fails.
#   tools/build.sh PRESET [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 60 "$log" >&2
    echo "pagejit: this failed: $*" >&2
    exit 1
  fi
}

[ -t 2 ] && echo "pagejit: building ($preset); the first time takes minutes" >&2
quietly cmake --preset "$preset"
quietly cmake --build --preset "$preset" ${1:+--target "$@"}
