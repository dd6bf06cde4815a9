#pragma once

#include <memory>
#include <span>

#include "normgraft/expr/expression.h"

namespace normgraft {

/// Evaluates expressions over arrays of float with SIMD instructions chosen at run time (AVX-512, AVX2, SSE4,
/// NEON or scalar), in blocks that stay in the first-level cache. Holds working memory: one evaluator a
/// thread; a call is not thread-safe, different evaluators are independent.
///
/// Agreement with Expression::operator() rounded to float: + - * / min max neg abs square clip sqrt are
/// correctly rounded; rsqrt, exp and log within 2 ULP, tanh, sigmoid and erf within 4 ULP of each primitive's
/// own result for the same float operand (tests enforce these). Results do not depend on the position of an
/// element in the array nor on the array's length. Arrays may have any alignment; from a multiple of 64 bytes
/// jacobian() is up to twice as fast.
class BlockEvaluator {
 public:
  BlockEvaluator();
  BlockEvaluator(BlockEvaluator&&) noexcept;
  BlockEvaluator& operator=(BlockEvaluator&&) noexcept;
  ~BlockEvaluator();

  /// y[i] = f(x[i]). x and y have equal length and may be the same array.
  void values(const Expression& f, std::span<const float> x, std::span<float> y);

  /// y[i] = f(x[i]), dx[i] = f'(x[i]), and dc[k * n + i] = df(x[i])/dc_k for each constant k in the order of
  /// Expression::constants(), n = x.size(), by the chain rule over the float values of the nodes; a factor 0
  /// gives 0 also beside an infinite one. dx or dc may be empty: not wanted then. y may be the same array as
  /// x.
  void jacobian(const Expression& f, std::span<const float> x, std::span<float> y, std::span<float> dx,
                std::span<float> dc);

  /// Reverse mode for training: dx[i] = g[i] * f'(x[i]); adds sum_i g[i] * df(x[i])/dc_k to dc[k]: within a
  /// block in float and double, over blocks in double. dx may be empty, or the same array as x or g. dc has
  /// constant_count() elements, or none.
  void backward(const Expression& f, std::span<const float> x, std::span<const float> g, std::span<float> dx,
                std::span<double> dc);

 private:
  class Sweep;
  std::unique_ptr<Sweep> sweep_;
};

}  // namespace normgraft
