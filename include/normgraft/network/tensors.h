#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace normgraft {

/// A LibTorch tensor. Headers name it through this one, which compiles in a fraction of the time of
/// <torch/torch.h>.
using at::Tensor;

/// Tensors by the name that the checkpoint gives them, sorted.
using Tensors = std::map<std::string, Tensor>;

/// The tensor of that name; undefined where there is none.
inline Tensor find_tensor(const Tensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  return found == tensors.end() ? Tensor() : found->second;
}

}  // namespace normgraft
