#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "normgraft/expr/expression.h"
#include "program.h"

namespace normgraft {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// How often the interval of r may be halved: on less of it more can be proved.
constexpr int kTailHalvingsOfR = 8;

/// From here on outwards the range of a node is taken.
constexpr double kFar = 1e3;

/// |x|^d overflows as a float at |x| = 1e6 beyond this degree, and underflows below its negative.
constexpr double kLargestDegree = 6;

/// What is known of a node's value v as x goes to one infinity: eventually c |x|^low <= |v| <= C |x|^high for
/// some c, C > 0, and v >= 0 for sign = 1, v <= 0 for sign = -1. low = -infinity: nothing known, v may be 0.
/// high = infinity: v may overflow. Neither v nor any bound is NaN.
struct Growth {
  double low = -kInfinity;
  double high = kInfinity;
  int sign = 0;
};

/// Nothing when the value may be NaN.
using Knowledge = std::optional<Growth>;

Growth negated(Growth a) {
  return {a.low, a.high, -a.sign};
}

Growth of_constant(float c) {
  if (c == 0) return {-kInfinity, -kInfinity, 1};
  return {0, 0, c > 0 ? 1 : -1};
}

Knowledge sum(Growth a, Growth b) {
  const bool same_sign = a.sign != 0 && a.sign == b.sign;
  if (a.high == kInfinity && b.high == kInfinity && !same_sign) return std::nullopt;
  const double high = std::max(a.high, b.high);
  if (same_sign) return Growth{std::max(a.low, b.low), high, a.sign};
  if (a.low > b.high) return Growth{a.low, high, a.sign};
  if (b.low > a.high) return Growth{b.low, high, b.sign};
  return Growth{-kInfinity, high, 0};
}

Knowledge product(Growth a, Growth b) {
  const auto zero_times_infinity = [](Growth zero, Growth infinity) {
    return zero.low == -kInfinity && infinity.high == kInfinity;
  };
  if (zero_times_infinity(a, b) || zero_times_infinity(b, a)) return std::nullopt;
  return Growth{a.low + b.low, a.high + b.high, a.sign * b.sign};
}

Knowledge quotient(Growth a, Growth b) {
  if (b.low == -kInfinity || (a.high == kInfinity && b.high == kInfinity)) return std::nullopt;
  return Growth{b.high == kInfinity ? -kInfinity : a.low - b.high, a.high - b.low, a.sign * b.sign};
}

Growth square(Growth a) {
  return {2 * a.low, 2 * a.high, 1};
}

Growth minimum(Growth a, Growth b) {
  if (a.sign < 0 && b.sign > 0) return a;
  if (b.sign < 0 && a.sign > 0) return b;
  if (a.sign < 0 && b.sign < 0) return {std::max(a.low, b.low), std::max(a.high, b.high), -1};
  // With b >= 0: min(a, b) is a, or lies between 0 and a.
  double high = std::max(a.high, b.high);
  if (b.sign > 0) high = a.high;
  if (a.sign > 0) high = std::min(b.sign > 0 ? a.high : kInfinity, b.high);
  return {std::min(a.low, b.low), high, a.sign > 0 && b.sign > 0 ? 1 : 0};
}

Growth clipped(Growth a, float low, float high) {
  if (low > 0) return {0, 0, 1};
  if (high < 0) return {0, 0, -1};
  const bool reaches = (a.sign > 0 && high > 0) || (a.sign < 0 && low < 0) || (low < 0 && high > 0);
  int sign = a.sign;
  if (low == 0) sign = 1;
  if (high == 0) sign = -1;
  return {reaches ? std::min(a.low, 0.0) : -kInfinity, std::min(a.high, 0.0), sign};
}

/// tanh and erf: like a near 0, of size 1 far from it.
Growth saturated(Growth a) {
  return {std::min(a.low, 0.0), std::min(a.high, 0.0), a.sign};
}

/// e^a and 2^a, and sigmoid where a <= 0.
Growth exponential(Growth a) {
  if (a.high <= 0) return {0, 0, 1};
  if (a.sign > 0) return {a.low > 0 ? kInfinity : 0, kInfinity, 1};
  if (a.sign < 0) return {-kInfinity, a.low > 0 ? -kInfinity : 0, 1};
  return {-kInfinity, kInfinity, 1};
}

/// log a, to any base, for a > 0. What neither is bounded nor stays away from 0 grows in size, but less than
/// any power of x: 1/2 stands for that. Where a may vanish or overflow, so may its logarithm.
Growth logarithm(Growth a) {
  const bool bounded = a.low >= 0 && a.high <= 0;
  const bool finite = a.low > -kInfinity && a.high < kInfinity;
  const double high = bounded ? 0 : finite ? 0.5 : kInfinity;
  if (a.low > 0) return {0, high, 1};
  if (a.high < 0) return {0, high, -1};
  return {-kInfinity, high, 0};
}

Growth sigmoid(Growth a) {
  const Growth e = exponential(a);
  return {std::min(e.low, 0.0), std::min(e.high, 0.0), 1};
}

Knowledge apply(const Instruction& i, Growth a, Growth b) {
  switch (i.op) {
    case Op::kConstant:
      return of_constant(i.c[0]);
    case Op::kX:
    case Op::kR:
      break;
    case Op::kAdd:
      return sum(a, b);
    case Op::kSub:
      return sum(a, negated(b));
    case Op::kMul:
      return product(a, b);
    case Op::kDiv:
      return quotient(a, b);
    case Op::kMin:
      return minimum(a, b);
    case Op::kMax:
      return negated(minimum(negated(a), negated(b)));
    case Op::kNeg:
      return negated(a);
    case Op::kAbs:
      return Growth{a.low, a.high, 1};
    case Op::kSquare:
      return square(a);
    case Op::kClip:
      return clipped(a, i.c[0], i.c[1]);
    case Op::kTanh:
    case Op::kErf:
      return saturated(a);
    case Op::kSigmoid:
      return sigmoid(a);
    case Op::kSqrt:
      if (a.sign <= 0) return std::nullopt;
      return Growth{a.low / 2, a.high / 2, 1};
    case Op::kRsqrt:
      if (a.sign <= 0 || a.low == -kInfinity) return std::nullopt;
      return Growth{-a.high / 2, -a.low / 2, 1};
    case Op::kExp:
    case Op::kExp2:
      return exponential(a);
    case Op::kLog:
    case Op::kLog2:
      if (a.sign <= 0) return std::nullopt;
      return logarithm(a);
  }
  return std::nullopt;
}

/// Adds what the range of the values far out says: a range that is not entire() excludes NaN.
Knowledge refined(Knowledge known, Interval range) {
  if (!range.is_entire()) {
    Growth g = known.value_or(Growth{});
    if (range.finite()) g.high = std::min(g.high, 0.0);
    if (range.low > 0 || range.high < 0) g.low = std::max(g.low, 0.0);
    if (range.low >= 0) g.sign = 1;
    if (range.high <= 0) g.sign = -1;
    known = g;
  }
  if (known && known->high > kLargestDegree) known->high = kInfinity;
  if (known && known->low < -kLargestDegree) known->low = -kInfinity;
  return known;
}

/// The growth of the whole program as x goes to direction * infinity, for all r of an interval.
Knowledge growth(std::span<const Instruction> program, int direction, Interval r_range) {
  struct Value {
    Knowledge known;
    Interval range;
    size_t start;
  };
  const Value x{Growth{1, 1, direction},
                direction > 0 ? Interval{kFar, kInfinity} : Interval{-kInfinity, -kFar}, 0};
  const Value r{refined({}, r_range), r_range, 0};
  size_t position = 0;
  return run<Value>(program, x, r,
                    [&](const Instruction& i, const Primitive& p, const Value& a, const Value& b) -> Value {
                      const size_t here = position++;
                      if (is_variable(i.op)) {
                        const Value& leaf = i.op == Op::kX ? a : b;
                        return {leaf.known, leaf.range, here};
                      }
                      const size_t start = p.arity == 0 ? here : a.start;
                      const Value& last = p.arity == 2 ? b : a;
                      Instruction op = i;
                      if (i.op == Op::kMul && equal(program.subspan(a.start, b.start - a.start),
                                                    program.subspan(b.start, here - b.start))) {
                        op = {Op::kSquare};
                      }
                      const bool lost = a.range.is_entire() || last.range.is_entire();
                      const Interval range =
                          lost ? Interval::entire() : primitive(op.op).bound(a.range, last.range, op.c);
                      const Knowledge known =
                          a.known && last.known ? apply(op, *a.known, *last.known) : Knowledge();
                      return {refined(known, range), range, start};
                    })
      .known;
}

/// The tail for all r of an interval as one.
Tail tail_of_piece(std::span<const Instruction> program, Interval r) {
  double degree = -kInfinity;
  for (const int direction : {-1, 1}) {
    const Knowledge known = growth(program, direction, r);
    if (!known) return Tail::kUnbounded;
    degree = std::max(degree, known->high);
  }
  if (degree <= 0) return Tail::kBounded;
  return degree <= 1 ? Tail::kLinear : Tail::kUnbounded;
}

Tail tail_in_pieces(std::span<const Instruction> program, Interval r, int halvings) {
  const Tail whole = tail_of_piece(program, r);
  if (whole != Tail::kUnbounded || halvings == 0) return whole;
  const double middle = r.low + (r.high - r.low) / 2;
  const Tail left = tail_in_pieces(program, {r.low, middle}, halvings - 1);
  if (left == Tail::kUnbounded) return left;
  return std::max(left, tail_in_pieces(program, {middle, r.high}, halvings - 1));
}

}  // namespace

Tail tail(const Expression& expression, Interval r) {
  const bool reads_r = expression.reads(Op::kR);
  if (reads_r && !r.finite()) return Tail::kUnbounded;
  return tail_in_pieces(expression.program(), r, reads_r ? kTailHalvingsOfR : 0);
}

}  // namespace normgraft
