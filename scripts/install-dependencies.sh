#!/usr/bin/env bash
# Installs the Debian packages that normgraft needs and that are missing. `--tests` adds those of the tests.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config
  libtorch-dev libopenblas0-pthread libhwy-dev libtbb-dev libeigen3-dev
  libcli11-dev nlohmann-json3-dev libfmt-dev
  libjpeg62-turbo-dev libspng-dev libwebp-dev libtiff-dev
)
if [[ "${1:-}" == "--tests" ]]; then
  packages+=(libgtest-dev libbenchmark-dev python3 python3-torch python3-pil python3-numpy)
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
[[ $(id -u) -eq 0 ]] || as_root=(sudo)
echo "installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
