#!/usr/bin/env bash
# Shows that a bundle (or a cache folder) serves the demo's whole run on this host and that nothing is compiled: the
# demo runs in require mode with that and no other cache. On a GPU every result is verified as well.
#   tools/check_bundle.sh BUNDLE [DEMO [its options…]]       DEMO: build-runtime-only/bin/pagejit-demo unless given
# With the option --launch-only nothing is verified: for a driver that computes nothing.
set -euo pipefail
if [ $# -lt 1 ]; then
  sed -n 's/^#   //p' "$0" >&2
  exit 2
fi
bundle=$(realpath -- "$1")
demo=${2:-$(dirname "$0")/../build-runtime-only/bin/pagejit-demo}
shift $(($# < 2 ? $# : 2))

report=$(PAGEJIT_CACHE=off PAGEJIT_CACHE_RO="$bundle" PAGEJIT_REMOTE='' PAGEJIT_MODE=require \
  "$demo" --device cuda --json "$@")
number() { sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" <<<"$report" | head -n 1; }

device=$(sed -n 's/^ *"device": "\(.*\)",$/\1/p' <<<"$report")
echo "$device: $(number launches) launches, $(number verified) of $(number steps) steps verified," \
  "$(number kernels_from_cache) kernels from the bundle, $(number align_fallbacks) of weaker alignment," \
  "$(number kernels_assembled) assembled by the driver, $(number kernels_compiled) compiled"
[ "$(number kernels_compiled)" = 0 ] && [ "$(number recompilations_after_warmup)" = 0 ] || {
  echo "check_bundle: something was compiled" >&2
  exit 1
}
