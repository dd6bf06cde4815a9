#!/usr/bin/env bash
# Installs the Debian packages that normgraft needs and that are missing. `--tests` adds those of the tests, and timm
# and ONNX Runtime into build/python, which the tests against them need and pass themselves over without.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config
  libtorch-dev libopenblas0-pthread libhwy-dev libtbb-dev libeigen3-dev
  libcli11-dev nlohmann-json3-dev libfmt-dev
  libjpeg62-turbo-dev libspng-dev libwebp-dev libtiff-dev
  libonnx-dev libprotobuf-dev
)
if [[ "${1:-}" == "--tests" ]]; then
  packages+=(libgtest-dev libbenchmark-dev python3 python3-torch python3-pil python3-numpy python3-onnx
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

target=$(dirname "$0")/../build/python
install_into_target() {  # NAME VERSION
  [[ -d "$target/$1-$2.dist-info" ]] && return
  rm -rf "$target/$1" "$target/$1"-*.dist-info
  /usr/bin/python3 -m pip install --quiet --quiet --retries 1 --root-user-action=ignore \
    --no-deps --no-compile --upgrade --target "$target" "$1==$2" >&2 ||
    echo "$1 $2 could not be installed: the tests against it are passed over" >&2
}
if [[ "${1:-}" == "--tests" ]]; then
  install_into_target timm 1.0.31
  install_into_target onnxruntime 1.20.1  # runs beside Debian's NumPy 1.24
fi
