#include "normgraft/network/operations.h"

#include <ATen/ATen.h>

#include <cmath>

namespace normgraft {

Tensor Operations::linear(const LinearNames& names, const Tensor& x) const {
  return normgraft::linear(tensors_, names, keep(Kept::kOperand, names.weight, x));
}

Tensor Operations::activated(const std::string& activation, const std::string& place,
                             const LinearNames& names, const Tensor& x) const {
  return activate(activation, keep(Kept::kInner, place, linear(names, x)));
}

Tensor Operations::attention(const std::string& place, const Tensor& qkv, int64_t heads) const {
  if (arithmetic_ == nullptr) return normgraft::attention(qkv, heads);
  const auto parts = qkv.chunk(3, -1);
  const auto by_head = [&](const char* name, const Tensor& part) {
    return keep(Kept::kOperand, place + name, part).unflatten(-1, {heads, -1}).transpose(1, 2);
  };
  const Tensor query = by_head(".q", parts[0]), key = by_head(".k", parts[1]),
               value = by_head(".v", parts[2]);
  const double scale = 1 / std::sqrt(static_cast<double>(query.size(-1)));
  const Tensor scores =
      keep(Kept::kInner, place + ".scores", at::matmul(query, key.transpose(-1, -2)) * scale);
  const Tensor weights = keep(Kept::kAttention, place + ".softmax", (scores - scores.amax(-1, true)).exp());
  return (at::matmul(weights, value) / weights.sum(-1, true)).transpose(1, 2).flatten(2);
}

}  // namespace normgraft
