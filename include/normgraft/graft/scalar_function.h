#pragma once

#include <torch/torch.h>

#include "normgraft/expr/expression.h"

namespace normgraft {

/// y = f(x), element by element, differentiable by x and by the constants.
///
/// x is F32 of any shape; `constants` is F32 [K] in the order of Expression::constants() and replaces f's own
/// (a clip whose bounds crossed uses them in increasing order). On the CPU one fused kernel (BlockEvaluator)
/// reads x once and writes y once, forward and backward; elsewhere the tensor operations of
/// scalar_function_by_operations do the same. Throws InputError when K does not match.
torch::Tensor scalar_function(const Expression& f, const torch::Tensor& x, const torch::Tensor& constants);

/// The same as a chain of LibTorch operations, one for each primitive: the independent reference.
torch::Tensor scalar_function_by_operations(const Expression& f, const torch::Tensor& x,
                                            const torch::Tensor& constants);

/// The constants of f as an F32 tensor [K].
torch::Tensor constants_tensor(const Expression& f);

/// f with the values of `constants`; bounds of a clip that crossed are put in order.
Expression with_constants(const Expression& f, const torch::Tensor& constants);

}  // namespace normgraft
