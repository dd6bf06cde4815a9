#include "normgraft/network/safetensors.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "normgraft/core/safetensors.h"

namespace normgraft {
namespace {

struct Dtype {
  std::string_view name;
  at::ScalarType type;
};

/// All that core reads.
constexpr std::array kDtypes = {
    Dtype{"BOOL", at::kBool},  Dtype{"U8", at::kByte},       Dtype{"I8", at::kChar},
    Dtype{"I16", at::kShort},  Dtype{"I32", at::kInt},       Dtype{"I64", at::kLong},
    Dtype{"F16", at::kHalf},   Dtype{"BF16", at::kBFloat16}, Dtype{"F32", at::kFloat},
    Dtype{"F64", at::kDouble},
};

at::ScalarType type_of(const SafetensorsEntry& entry) {
  return std::find_if(kDtypes.begin(), kDtypes.end(), [&](const Dtype& d) { return d.name == entry.dtype; })
      ->type;
}

}  // namespace

Tensors read_safetensors(const Path& path) {
  SafetensorsReader reader(path);
  Tensors tensors;
  for (const SafetensorsEntry& entry : reader.entries()) {
    Tensor tensor = at::empty(entry.shape, type_of(entry));
    reader.read(entry, tensor.data_ptr());
    tensors[entry.name] = tensor.is_floating_point() ? tensor.to(at::kFloat) : tensor;
  }
  return tensors;
}

void write_safetensors(const Path& path, const Tensors& tensors) {
  std::vector<Tensor> data;
  std::vector<SafetensorsTensor> raw;
  for (const auto& [name, tensor] : tensors) {
    data.push_back(tensor.detach().to(at::kFloat).contiguous());
    raw.push_back({name,
                   "F32",
                   tensor.sizes().vec(),
                   {static_cast<const std::byte*>(data.back().data_ptr()), data.back().nbytes()}});
  }
  write_raw_safetensors(path, raw);
}

}  // namespace normgraft
