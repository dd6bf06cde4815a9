#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "normgraft/expr/interval.h"

namespace normgraft {

/// The primitives of an expression. Arithmetic is IEEE 754 everywhere: outside its domain a primitive gives
/// NaN or an infinity (sqrt(-1), 1/0, log(0)), never a substitute value.
enum class Op : uint8_t {
  kConstant,  ///< c
  kX,         ///< x, an element of a token
  kR,         ///< r, the number of the token
  kAdd,       ///< a + b
  kSub,       ///< a - b
  kMul,       ///< a * b
  kDiv,       ///< a / b
  kMin,       ///< min(a, b)
  kMax,       ///< max(a, b)
  kNeg,       ///< -a
  kAbs,       ///< abs(a)
  kSquare,    ///< square(a)
  kClip,      ///< clip(a, lo, hi) with constants lo <= hi: min(max(a, lo), hi)
  kTanh,      ///< tanh(a)
  kSigmoid,   ///< sigmoid(a) = 1 / (1 + exp(-a))
  kErf,       ///< erf(a)
  kSqrt,      ///< sqrt(a)
  kRsqrt,     ///< rsqrt(a) = 1 / sqrt(a)
  kExp,       ///< exp(a)
  kLog,       ///< log(a), the natural logarithm
  kExp2,      ///< exp2(a) = 2^a: a circuit shifts by the whole part
  kLog2,      ///< log2(a): a circuit counts leading zeros for the whole part
};
inline constexpr size_t kOpCount = static_cast<size_t>(Op::kLog2) + 1;

/// Whether it is one of the two variables, x and r.
inline constexpr bool is_variable(Op op) {
  return op == Op::kX || op == Op::kR;
}

/// Everything the project knows about one primitive. The registry is the only list of primitives; a test
/// asserts that the evaluators, cost profiles and exporters cover it.
struct Primitive {
  Op op;
  std::string_view name;  ///< the word in text ("tanh") or the operator ("+"); also the key of cost profiles
  int arity;              ///< operands taken from the stack: 0, 1 or 2
  int constants;          ///< constants carried: 1 for kConstant, 2 for kClip (lo, hi), else 0

  /// The value for operands a, b (b unused at arity 1) and constants c. A leaf gets a = x and b = r.
  double (*value)(double a, double b, const float* c);
  /// Partial derivatives by a and b at a point where `value` is v; at a kink the one-sided derivative of the
  /// inner or left branch. dc receives the partials by the constants.
  void (*derivative)(double a, double b, double v, const float* c, double& da, double& db, double* dc);
  /// An interval that contains value(a, b) for all a in A, b in B; entire() when the domain may be left.
  Interval (*bound)(Interval a, Interval b, const float* c);
};

/// The registry, in the order of Op.
std::span<const Primitive> primitives();

/// The record of one primitive.
const Primitive& primitive(Op op);

/// The primitive of that name ("tanh", "*"); nothing when there is none.
std::optional<Op> find_primitive(std::string_view name);

}  // namespace normgraft
