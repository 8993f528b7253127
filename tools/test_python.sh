#!/usr/bin/env bash
# Installs the Python package into a virtual environment of its own, out of the dev build's objects, and runs its tests
# and the README's example there.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/build/python-venv

# Debian's own interpreter: it is the one that its users have.
[ -x "$venv/bin/python" ] || /usr/bin/python3 -m venv "$venv"
# No ninja of its own: another version would not know what is built, and build all of it again.
"$venv/bin/pip" install --quiet 'nanobind>=3' 'scikit-build-core>=0.10' numpy ml_dtypes pytest
"$venv/bin/pip" install --quiet --no-build-isolation --no-deps --force-reinstall . \
  --config-settings=build-dir="$PWD/build" --config-settings=cmake.build-type=RelWithDebInfo --config-settings=cmake.define.PAGEJIT_TESTS=ON

cd "$venv"  # away from the sources: what is tested is what was installed
"$venv/bin/python" -m pytest -q --rootdir ../../python ../../python/tests </dev/null
sed -n '/^```python$/,/^```$/p' ../../README.md | sed '/^```/d' | "$venv/bin/python" -
