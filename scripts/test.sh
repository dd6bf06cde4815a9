#!/usr/bin/env bash
# Installs what is missing, builds with warnings as errors, and runs the tests. Arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dependencies.sh --tests
cmake --preset ci >/dev/null
cmake --build --preset ci
exec ctest --test-dir build/ci --parallel "$(nproc)" --output-on-failure "$@"
