#!/usr/bin/env bash
# Installs the Debian packages that normgraft needs and that are missing. `--tests` adds those of the tests, and timm
# into build/python, which the tests against timm itself need and pass themselves over without.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config
  libtorch-dev libopenblas0-pthread libhwy-dev libtbb-dev libeigen3-dev
  libcli11-dev nlohmann-json3-dev libfmt-dev
  libjpeg62-turbo-dev libspng-dev libwebp-dev libtiff-dev
)
if [[ "${1:-}" == "--tests" ]]; then
  packages+=(libgtest-dev libbenchmark-dev python3 python3-torch python3-pil python3-numpy
             python3-pip clang-format clang-tidy
             clang make binutils gcc-arm-linux-gnueabihf libc6-dev-armhf-cross gcc-aarch64-linux-gnu
             libc6-dev-arm64-cross qemu-user verilator yosys)
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
done
if [[ ${#missing[@]} -gt 0 ]]; then
  as_root=()
  [[ $(id -u) -eq 0 ]] || as_root=(sudo)
  echo "installing ${missing[*]}" >&2
  "${as_root[@]}" apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

timm=1.0.31
target=$(dirname "$0")/../build/python
if [[ "${1:-}" == "--tests" && ! -d "$target/timm-$timm.dist-info" ]]; then
  rm -rf "$target"
  pip=(/usr/bin/python3 -m pip install --quiet --quiet --retries 1 --root-user-action=ignore)
  "${pip[@]}" --no-deps --no-compile --target "$target" "timm==$timm" >&2 ||
    echo "timm $timm could not be installed: the tests against it are passed over" >&2
fi
