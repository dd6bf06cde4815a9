#pragma once

#include <torch/torch.h>

#include <string>

namespace normgraft {

// The operations of a block, differentiable. On the CPU the two costly ones divide their work among
// LibTorch's own threads and call the BLAS from each, so that the BLAS needs no second pool of threads that
// competes with the first for the cores; elsewhere they are LibTorch's operations.

/// x [..., in], weight [out, in], bias [out] or undefined -> [..., out].
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias);

/// qkv [B, N, 3 D], laid out as (query, key, value) x heads x D / heads -> softmax(q k' / sqrt(D / heads)) v
/// [B, N, D].
torch::Tensor attention(const torch::Tensor& qkv, int64_t heads);

/// An activation by VitConfig's name.
torch::Tensor activate(const std::string& activation, const torch::Tensor& x);

}  // namespace normgraft
