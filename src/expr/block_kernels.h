#pragma once

#include <cstddef>

#include "normgraft/expr/primitives.h"

namespace normgraft {

/// Which operands of a primitive are arrays; the other one is a constant.
enum class Shape : unsigned char { kArrays, kArrayConstant, kConstantArray };

/// The loops of BlockEvaluator for one SIMD target. Every array has room for n rounded up to kBlockLanes
/// elements, which the loops may read and write; out may be the same array as an operand.
struct BlockKernels {
  /// out = op(a, b). A constant operand is given as c0; clip has its bounds in c0, c1.
  using Apply = void (*)(const float* a, const float* b, float c0, float c1, float* out, size_t n);
  /// out = scale * g * partial, where p, q, c0, c1 are what the partial needs.
  using Pull = void (*)(const float* g, float scale, const float* p, const float* q, float c0, float c1,
                        float* out, size_t n);

  Apply apply[kOpCount][3];  ///< by Op and Shape; a unary primitive or leaf has only Shape::kArrays

  Pull copy;         ///< scale * g
  Pull add;          ///< out + scale * g
  Pull times;        ///< scale * g * p
  Pull over;         ///< scale * g / p
  Pull times_over;   ///< scale * g * p / q
  Pull at_most;      ///< scale * g where p <= q, else 0
  Pull not_at_most;  ///< the complement
  Pull inside;       ///< scale * g where c0 <= p <= c1, else 0
  Pull below;        ///< scale * g where p < c0, else 0
  Pull above;        ///< scale * g where p > c1, else 0
  Pull sign;         ///< scale * g * sign(p)
  Pull tanh;         ///< scale * g * (1 - p^2), p = tanh
  Pull sigmoid;      ///< scale * g * p * (1 - p), p = sigmoid
  Pull erf;          ///< scale * g * 2/sqrt(pi) exp(-p^2), p = the operand
  Pull cube;         ///< scale * g * p^3

  /// The sum of n elements, in double, in an order that only depends on n.
  double (*sum)(const float* a, size_t n);
};

inline constexpr size_t kBlockLanes = 16;

/// The loops for the best target that this machine has.
const BlockKernels& block_kernels();

}  // namespace normgraft
