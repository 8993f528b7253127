#!/usr/bin/env bash
# One command: installs what is missing, builds, runs the demo. Arguments go to pagejit-demo (--help lists them).
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install_deps.sh
tools/build.sh dev pagejit-demo
exec build/bin/pagejit-demo "$@"
