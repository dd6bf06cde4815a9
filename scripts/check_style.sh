#!/usr/bin/env bash
# Checks the format of every source file, and lets clang-tidy read the command line and the rooms without LibTorch: Debian's
# clang cannot read LibTorch's headers as C++20. It reads a room as one file, so headers once. An argument is a pattern for
# the folders to read.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dependencies.sh --tests
git ls-files '*.cc' '*.h' | xargs clang-format --dry-run -Werror

cmake -S . -B build/tidy -G Ninja -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON \
  -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0 >/dev/null
rooms='core|expr|mapping|cost|evolve|data|integer|emit|report'
files=$(grep -oP '"file": "\K[^"]*' build/tidy/compile_commands.json | grep -E "/(src/($rooms)|cli)/" | grep -e "${1:-}")
# What the generated files do, including .cc files, is not to be remarked on.
grep /Unity/ <<<"$files" | xargs sed -i 's|^#include.*|& // NOLINT|'
xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p build/tidy --header-filter='\.cc$' <<<"$files"
