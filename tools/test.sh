#!/usr/bin/env bash
# One command: installs what is missing, builds everything, runs all tests, then the same for the build without LLVM,
# which at last serves the demo with kernels that the other build has made; and the Python package's tests.
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

echo "== the Python package"
tools/test_python.sh

echo "== what the demo uses is recorded, precompiled and served without LLVM, over a driver that computes nothing"
host=$(mktemp -d)
trap 'rm -rf "$host"' EXIT
ln -s "$(find "$PWD/build-runtime-only" -name 'libpagejit_fake_cuda.so' -print -quit)" "$host/libcuda.so.1"
export LD_LIBRARY_PATH=$host${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
PAGEJIT_RECORD=$host/manifest build/bin/pagejit-demo --device cuda --launch-only >/dev/null
PAGEJIT_ASSEMBLER=driver build/bin/pagejit-precompile "$host/manifest" --bundle "$host/kernels.pjpack"
tools/check_bundle.sh "$host/kernels.pjpack" build-runtime-only/bin/pagejit-demo --launch-only
