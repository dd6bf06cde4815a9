#!/usr/bin/env bash
# Checks the format of every source file, and lets clang-tidy read src and cli. Arguments are a part of the paths to read.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dependencies.sh --tests
git ls-files '*.cc' '*.h' | xargs clang-format --dry-run -Werror
cmake -S . -B build/tidy -G Ninja -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
git ls-files 'src/*.cc' 'cli/*.cc' | grep -e "${1:-}" | xargs -P 1 -n 4 clang-tidy --quiet -p build/tidy
