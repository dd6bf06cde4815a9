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
/// correctly rounded; rsqrt, exp, log, exp2 and log2 within 2 ULP, tanh, sigmoid and erf within 4 ULP of each
/// primitive's own result for the same float operand (tests enforce these). Results do not depend on the
/// position of an element in the array nor on the array's length. Arrays may have any alignment; from a
/// multiple of 64 bytes jacobian() is up to twice as fast.
class BlockEvaluator {
 public:
  BlockEvaluator();
  BlockEvaluator(BlockEvaluator&&) noexcept;
  BlockEvaluator& operator=(BlockEvaluator&&) noexcept;
  ~BlockEvaluator();

  /// y[i] = f(x[i], r[i]). All arrays have equal length; y may be x or r. r may be empty, here and below,
  /// where f does not read it; else this throws InputError.
  void values(const Expression& f, std::span<const float> x, std::span<const float> r, std::span<float> y);

  /// y[i] = f(x[i], r[i]), dx[i] = df/dx, and dc[k * n + i] = df/dc_k for each constant k in the order of
  /// Expression::constants(), n = x.size(), by the chain rule over the float values of the nodes; a factor 0
  /// gives 0 also beside an infinite one. dx or dc may be empty: not wanted then. y may be the same array as
  /// x or r.
  void jacobian(const Expression& f, std::span<const float> x, std::span<const float> r, std::span<float> y,
                std::span<float> dx, std::span<float> dc);

  /// Reverse mode for training: dx[i] = g[i] * df/dx, dr[i] = g[i] * df/dr; adds sum_i g[i] * df/dc_k to
  /// dc[k]: within a block in float and double, over blocks in double. dx and dr may be empty: not wanted
  /// then; each may be the same array as x, r or g. dc has constant_count() elements, or none.
  void backward(const Expression& f, std::span<const float> x, std::span<const float> r,
                std::span<const float> g, std::span<float> dx, std::span<float> dr, std::span<double> dc);

  /// The same of a function that does not read r.
  void values(const Expression& f, std::span<const float> x, std::span<float> y) { values(f, x, {}, y); }
  void jacobian(const Expression& f, std::span<const float> x, std::span<float> y, std::span<float> dx,
                std::span<float> dc) {
    jacobian(f, x, {}, y, dx, dc);
  }
  void backward(const Expression& f, std::span<const float> x, std::span<const float> g, std::span<float> dx,
                std::span<double> dc) {
    backward(f, x, {}, g, dx, {}, dc);
  }

 private:
  class Sweep;
  std::unique_ptr<Sweep> sweep_;
};

}  // namespace normgraft
