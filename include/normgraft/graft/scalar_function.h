#pragma once

#include "normgraft/expr/expression.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// y = f(x), element by element, differentiable by x and by the constants.
///
/// x is F32 of any shape; `constants` is F32 [K] in the order of Expression::constants() and replaces f's own
/// (a clip whose bounds crossed uses them in increasing order). One fused kernel (BlockEvaluator) reads x
/// once and writes y once, forward and backward. Throws InputError when K does not match.
Tensor scalar_function(const Expression& f, const Tensor& x, const Tensor& constants);

/// The same as a chain of LibTorch operations, one for each primitive: the independent reference.
Tensor scalar_function_by_operations(const Expression& f, const Tensor& x, const Tensor& constants);

/// The constants of f as an F32 tensor [K].
Tensor constants_tensor(const Expression& f);

/// f with the values of `constants`; bounds of a clip that crossed are put in order.
Expression with_constants(const Expression& f, const Tensor& constants);

}  // namespace normgraft
