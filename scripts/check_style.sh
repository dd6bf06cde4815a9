#!/usr/bin/env bash
# Checks the format of every source file, and lets clang-tidy read the command line and the rooms without LibTorch: Debian's
# clang cannot read LibTorch's headers as C++20. An argument is a pattern for the paths to read.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dependencies.sh --tests
git ls-files '*.cc' '*.h' | xargs clang-format --dry-run -Werror
cmake -S . -B build/tidy -G Ninja -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
rooms='core|expr|mapping|cost|evolve|data|integer|emit|report'
git ls-files 'src/*.cc' 'cli/*.cc' | grep -E "^(src/($rooms)|cli)/" | grep -e "${1:-}" |
  xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build/tidy
