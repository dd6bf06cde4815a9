#include "normgraft/expr/primitives.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <numbers>

namespace normgraft {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

/// The least interval with all of these values; entire() when one of them is NaN.
Interval hull(std::initializer_list<double> values) {
  Interval result{kInf, -kInf};
  for (double v : values) {
    if (std::isnan(v)) return Interval::entire();
    result.low = std::min(result.low, v);
    result.high = std::max(result.high, v);
  }
  return result;
}

/// Bounds of a rising function whose library implementation may be off by some units in the last place,
/// clamped to its range. Correctly rounded operations need no such widening: rounding is monotonic.
Interval rising(double (*f)(double), Interval a, Interval range) {
  double low = f(a.low);
  double high = f(a.high);
  for (int ulp = 0; ulp < 4; ++ulp) {
    low = std::nextafter(low, -kInf);
    high = std::nextafter(high, kInf);
  }
  return {std::max(low, range.low), std::min(high, range.high)};
}

double sigmoid(double a) {
  return 1.0 / (1.0 + std::exp(-a));
}
double rsqrt(double a) {
  return 1.0 / std::sqrt(a);
}

constexpr Primitive kConstantPrimitive{
    .op = Op::kConstant,
    .name = "constant",
    .arity = 0,
    .constants = 1,
    .value = [](double, double, const float* c) -> double { return c[0]; },
    .derivative = [](double, double, double, const float*, double&, double&, double* dc) { dc[0] = 1; },
    .bound = [](Interval, Interval, const float* c) { return Interval::point(c[0]); }};

constexpr Primitive kXPrimitive{
    .op = Op::kX,
    .name = "x",
    .arity = 0,
    .constants = 0,
    .value = [](double x, double, const float*) { return x; },
    .derivative = [](double, double, double, const float*, double& da, double&, double*) { da = 1; },
    .bound = [](Interval x, Interval, const float*) { return x; }};

constexpr Primitive kRPrimitive{
    .op = Op::kR,
    .name = "r",
    .arity = 0,
    .constants = 0,
    .value = [](double, double r, const float*) { return r; },
    .derivative = [](double, double, double, const float*, double&, double& db, double*) { db = 1; },
    .bound = [](Interval, Interval r, const float*) { return r; }};

constexpr Primitive kAddPrimitive{
    .op = Op::kAdd,
    .name = "+",
    .arity = 2,
    .constants = 0,
    .value = [](double a, double b, const float*) { return a + b; },
    .derivative = [](double, double, double, const float*, double& da, double& db, double*) { da = db = 1; },
    .bound =
        [](Interval a, Interval b, const float*) {
          return hull({a.low + b.low, a.high + b.high});
        }};

constexpr Primitive kSubPrimitive{
    .op = Op::kSub,
    .name = "-",
    .arity = 2,
    .constants = 0,
    .value = [](double a, double b, const float*) { return a - b; },
    .derivative =
        [](double, double, double, const float*, double& da, double& db, double*) {
          da = 1;
          db = -1;
        },
    .bound =
        [](Interval a, Interval b, const float*) {
          return hull({a.low - b.high, a.high - b.low});
        }};

constexpr Primitive kMulPrimitive{
    .op = Op::kMul,
    .name = "*",
    .arity = 2,
    .constants = 0,
    .value = [](double a, double b, const float*) { return a * b; },
    .derivative =
        [](double a, double b, double, const float*, double& da, double& db, double*) {
          da = b;
          db = a;
        },
    .bound =
        [](Interval a, Interval b, const float*) {
          return hull({a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high});
        }};

constexpr Primitive kDivPrimitive{
    .op = Op::kDiv,
    .name = "/",
    .arity = 2,
    .constants = 0,
    .value = [](double a, double b, const float*) { return a / b; },
    .derivative =
        [](double, double b, double v, const float*, double& da, double& db, double*) {
          da = 1 / b;
          db = -v / b;
        },
    .bound =
        [](Interval a, Interval b, const float*) {
          if (b.contains(0)) return Interval::entire();
          return hull({a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high});
        }};

constexpr Primitive kMinPrimitive{
    .op = Op::kMin,
    .name = "min",
    .arity = 2,
    .constants = 0,
    .value = [](double a, double b, const float*) { return a < b || std::isnan(a) ? a : b; },
    .derivative =
        [](double a, double b, double, const float*, double& da, double& db, double*) {
          da = a <= b;
          db = 1 - da;
        },
    .bound =
        [](Interval a, Interval b, const float*) {
          return Interval{std::min(a.low, b.low), std::min(a.high, b.high)};
        }};

constexpr Primitive kMaxPrimitive{
    .op = Op::kMax,
    .name = "max",
    .arity = 2,
    .constants = 0,
    .value = [](double a, double b, const float*) { return a > b || std::isnan(a) ? a : b; },
    .derivative =
        [](double a, double b, double, const float*, double& da, double& db, double*) {
          da = a >= b;
          db = 1 - da;
        },
    .bound =
        [](Interval a, Interval b, const float*) {
          return Interval{std::max(a.low, b.low), std::max(a.high, b.high)};
        }};

constexpr Primitive kNegPrimitive{
    .op = Op::kNeg,
    .name = "neg",
    .arity = 1,
    .constants = 0,
    .value = [](double a, double, const float*) { return -a; },
    .derivative = [](double, double, double, const float*, double& da, double&, double*) { da = -1; },
    .bound =
        [](Interval a, Interval, const float*) {
          return Interval{-a.high, -a.low};
        }};

constexpr Primitive kAbsPrimitive{.op = Op::kAbs,
                                  .name = "abs",
                                  .arity = 1,
                                  .constants = 0,
                                  .value = [](double a, double, const float*) { return std::fabs(a); },
                                  .derivative = [](double a, double, double, const float*, double& da,
                                                   double&, double*) { da = (a > 0) - (a < 0); },
                                  .bound =
                                      [](Interval a, Interval, const float*) {
                                        const Interval ends = hull({std::fabs(a.low), std::fabs(a.high)});
                                        return a.contains(0) ? Interval{0, ends.high} : ends;
                                      }};

constexpr Primitive kSquarePrimitive{
    .op = Op::kSquare,
    .name = "square",
    .arity = 1,
    .constants = 0,
    .value = [](double a, double, const float*) { return a * a; },
    .derivative = [](double a, double, double, const float*, double& da, double&, double*) { da = 2 * a; },
    .bound =
        [](Interval a, Interval, const float*) {
          const Interval ends = hull({a.low * a.low, a.high * a.high});
          return a.contains(0) ? Interval{0, ends.high} : ends;
        }};

constexpr Primitive kClipPrimitive{
    .op = Op::kClip,
    .name = "clip",
    .arity = 1,
    .constants = 2,
    .value = [](double a, double, const float* c) -> double {
      if (a < c[0]) return c[0];
      return a > c[1] ? c[1] : a;
    },
    .derivative =
        [](double a, double, double, const float* c, double& da, double&, double* dc) {
          da = c[0] <= a && a <= c[1];
          dc[0] = a < c[0];
          dc[1] = a > c[1];
        },
    .bound =
        [](Interval a, Interval, const float* c) {
          return Interval{std::clamp<double>(a.low, c[0], c[1]), std::clamp<double>(a.high, c[0], c[1])};
        }};

constexpr Primitive kTanhPrimitive{.op = Op::kTanh,
                                   .name = "tanh",
                                   .arity = 1,
                                   .constants = 0,
                                   .value = [](double a, double, const float*) { return std::tanh(a); },
                                   .derivative = [](double, double, double v, const float*, double& da,
                                                    double&, double*) { da = (1 - v) * (1 + v); },
                                   .bound =
                                       [](Interval a, Interval, const float*) {
                                         return rising(std::tanh, a, {-1, 1});
                                       }};

constexpr Primitive kSigmoidPrimitive{.op = Op::kSigmoid,
                                      .name = "sigmoid",
                                      .arity = 1,
                                      .constants = 0,
                                      .value = [](double a, double, const float*) { return sigmoid(a); },
                                      .derivative = [](double, double, double v, const float*, double& da,
                                                       double&, double*) { da = v * (1 - v); },
                                      .bound =
                                          [](Interval a, Interval, const float*) {
                                            return rising(sigmoid, a, {0, 1});
                                          }};

constexpr Primitive kErfPrimitive{
    .op = Op::kErf,
    .name = "erf",
    .arity = 1,
    .constants = 0,
    .value = [](double a, double, const float*) { return std::erf(a); },
    .derivative = [](double a, double, double, const float*, double& da, double&,
                     double*) { da = 2 * std::numbers::inv_sqrtpi * std::exp(-a * a); },
    .bound =
        [](Interval a, Interval, const float*) {
          return rising(std::erf, a, {-1, 1});
        }};

constexpr Primitive kSqrtPrimitive{
    .op = Op::kSqrt,
    .name = "sqrt",
    .arity = 1,
    .constants = 0,
    .value = [](double a, double, const float*) { return std::sqrt(a); },
    .derivative = [](double, double, double v, const float*, double& da, double&, double*) { da = 0.5 / v; },
    .bound =
        [](Interval a, Interval, const float*) {
          return a.low < 0 ? Interval::entire() : Interval{std::sqrt(a.low), std::sqrt(a.high)};
        }};

constexpr Primitive kRsqrtPrimitive{
    .op = Op::kRsqrt,
    .name = "rsqrt",
    .arity = 1,
    .constants = 0,
    .value = [](double a, double, const float*) { return rsqrt(a); },
    .derivative = [](double, double, double v, const float*, double& da, double&,
                     double*) { da = -0.5 * v * v * v; },
    .bound =
        [](Interval a, Interval, const float*) {
          return a.low <= 0 ? Interval::entire() : Interval{rsqrt(a.high), rsqrt(a.low)};
        }};

constexpr Primitive kExpPrimitive{
    .op = Op::kExp,
    .name = "exp",
    .arity = 1,
    .constants = 0,
    .value = [](double a, double, const float*) { return std::exp(a); },
    .derivative = [](double, double, double v, const float*, double& da, double&, double*) { da = v; },
    .bound =
        [](Interval a, Interval, const float*) {
          return rising(std::exp, a, {0, kInf});
        }};

constexpr Primitive kLogPrimitive{
    .op = Op::kLog,
    .name = "log",
    .arity = 1,
    .constants = 0,
    .value = [](double a, double, const float*) { return std::log(a); },
    .derivative = [](double a, double, double, const float*, double& da, double&, double*) { da = 1 / a; },
    .bound =
        [](Interval a, Interval, const float*) {
          return a.low < 0 ? Interval::entire() : rising(std::log, a, {-kInf, kInf});
        }};

constexpr Primitive kExp2Primitive{.op = Op::kExp2,
                                   .name = "exp2",
                                   .arity = 1,
                                   .constants = 0,
                                   .value = [](double a, double, const float*) { return std::exp2(a); },
                                   .derivative = [](double, double, double v, const float*, double& da,
                                                    double&, double*) { da = std::numbers::ln2 * v; },
                                   .bound =
                                       [](Interval a, Interval, const float*) {
                                         return rising(std::exp2, a, {0, kInf});
                                       }};

constexpr Primitive kLog2Primitive{
    .op = Op::kLog2,
    .name = "log2",
    .arity = 1,
    .constants = 0,
    .value = [](double a, double, const float*) { return std::log2(a); },
    .derivative = [](double a, double, double, const float*, double& da, double&,
                     double*) { da = std::numbers::log2e / a; },
    .bound =
        [](Interval a, Interval, const float*) {
          return a.low < 0 ? Interval::entire() : rising(std::log2, a, {-kInf, kInf});
        }};

constexpr std::array kRegistry{
    kConstantPrimitive, kXPrimitive,    kRPrimitive,       kAddPrimitive, kSubPrimitive,  kMulPrimitive,
    kDivPrimitive,      kMinPrimitive,  kMaxPrimitive,     kNegPrimitive, kAbsPrimitive,  kSquarePrimitive,
    kClipPrimitive,     kTanhPrimitive, kSigmoidPrimitive, kErfPrimitive, kSqrtPrimitive, kRsqrtPrimitive,
    kExpPrimitive,      kLogPrimitive,  kExp2Primitive,    kLog2Primitive};
static_assert(kRegistry.size() == kOpCount);

}  // namespace

std::span<const Primitive> primitives() {
  return kRegistry;
}

const Primitive& primitive(Op op) {
  return kRegistry[static_cast<size_t>(op)];
}

std::optional<Op> find_primitive(std::string_view name) {
  for (const Primitive& p : kRegistry) {
    if (p.name == name) return p.op;
  }
  return std::nullopt;
}

}  // namespace normgraft
