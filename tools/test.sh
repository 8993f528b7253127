#!/usr/bin/env bash
# One command: installs what is missing, builds everything, runs all tests, then the same for the build without LLVM.
# Arguments go to ctest: tools/test.sh -R flatten
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)

tools/install_deps.sh --tests
for preset in dev runtime-only; do
  tools/build.sh "$preset"
  echo "== tests of $preset"
  ctest --preset "$preset" --parallel "$jobs" --no-tests=error "$@" </dev/null
done
