#!/usr/bin/env bash
# Installs what is missing, builds, and runs every stage on the embedded model. Arguments go to `normgraft demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dependencies.sh
cmake --preset release >/dev/null
cmake --build --preset release --target normgraft_cli
exec build/release/bin/normgraft demo "$@"
