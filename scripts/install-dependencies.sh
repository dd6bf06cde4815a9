#!/usr/bin/env bash
# Installs the Debian packages that normgraft needs and that are missing. `--tests` adds those of the tests, and timm
# and ONNX Runtime into build/python and transformers into build/transformers, which the tests against them need and
# pass themselves over without.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config
  libtorch-dev libopenblas0-pthread libhwy-dev libtbb-dev libeigen3-dev
  libcli11-dev nlohmann-json3-dev libfmt-dev
  libarchive-dev libjpeg62-turbo-dev libspng-dev libwebp-dev libtiff-dev
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

install_into() {  # FOLDER NAME==VERSION OTHERS
  local target name version
  target=$(dirname "$0")/../build/$1
  name=${2%==*} version=${2#*==}
  [[ -d "$target/$name-$version.dist-info" ]] && return
  rm -rf "$target/$name" "$target/$name"-*.dist-info
  /usr/bin/python3 -m pip install --quiet --quiet --retries 1 --root-user-action=ignore \
    --no-deps --no-compile --upgrade --target "$target" "${@:2}" >&2 ||
    echo "$name $version could not be installed: the tests against it are passed over" >&2
}
if [[ "${1:-}" == "--tests" ]]; then
  install_into python timm==1.0.31
  install_into python onnxruntime==1.20.1  # runs beside Debian's NumPy 1.24
  # The last that runs on Debian's PyTorch and has Dinov2, with what it imports.
  install_into transformers transformers==4.33.3 tokenizers==0.13.3 huggingface-hub==0.16.4 safetensors==0.3.3 \
    filelock==3.13.1 fsspec==2023.10.0 tqdm==4.66.1 pyyaml==6.0.1 regex==2023.10.3 requests==2.31.0 packaging==23.2 \
    urllib3==2.1.0 idna==3.4 certifi==2023.7.22 charset-normalizer==3.3.2 typing-extensions==4.8.0
fi
