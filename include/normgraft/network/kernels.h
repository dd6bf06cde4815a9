#pragma once

#include <string>

#include "normgraft/network/site.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

// The operations of a block, differentiable. The two costly ones divide their work among LibTorch's own
// threads and call the BLAS from each, so that the BLAS needs no second pool of threads that competes with
// the first for the cores.

/// x [..., in], weight [out, in], bias [out] or undefined -> [..., out].
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

/// The same by the names of its tensors.
Tensor linear(const Tensors& tensors, const LinearNames& names, const Tensor& x);

/// qkv [B, N, 3 D], laid out as (query, key, value) x heads x D / heads -> softmax(q k' / sqrt(D / heads)) v
/// [B, N, D].
Tensor attention(const Tensor& qkv, int64_t heads);

/// The activations by their names in timm. Throws InputError naming those there are.
Tensor activate(const std::string& activation, const Tensor& x);
void check_activation(const std::string& activation);

}  // namespace normgraft
