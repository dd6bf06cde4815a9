#pragma once

#include "normgraft/expr/expression.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// y = f(x, r), element by element, differentiable by x, r and the constants.
///
/// x is F32 of any shape; `constants` is F32 [K] in the order of Expression::constants() and replaces f's own
/// (a clip whose bounds crossed uses them in increasing order). Where f reads r, x is [..., D] and r F32
/// [..., 1], one number a token; else r is not looked at. y has the shape of x. One fused kernel
/// (BlockEvaluator) reads x once and writes y once, forward and backward. Throws InputError when K does not
/// match, and when f reads r and r is missing or of another shape.
Tensor scalar_function(const Expression& f, const Tensor& x, const Tensor& constants, const Tensor& r = {});

/// The same as a chain of LibTorch operations, one for each primitive: the independent reference.
Tensor scalar_function_by_operations(const Expression& f, const Tensor& x, const Tensor& constants,
                                     const Tensor& r = {});

/// The constants of f as an F32 tensor [K].
Tensor constants_tensor(const Expression& f);

/// f with the values of `constants`; bounds of a clip that crossed are put in order.
Expression with_constants(const Expression& f, const Tensor& constants);

}  // namespace normgraft
