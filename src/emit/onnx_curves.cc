#include "onnx_curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "normgraft/core/error.h"
#include "normgraft/emit/onnx_activations.h"
#include "normgraft/integer/arithmetic.h"

namespace normgraft {
namespace {

constexpr double kMostSteps = 1;     ///< by which a curve of codes may differ from its function
constexpr double kMostOfFactor = 4;  ///< in units of a factor of 15 bits, which is rounded and interpolated
constexpr double kShareOfFactor = 1e-3;
constexpr double kShareOfExponential = 0.02;
constexpr int64_t kSamples = 4096;  ///< of a curve, at most

const IntegerBuffer& buffer(const IntegerProgram& program, BufferIndex index) {
  return program.buffers[static_cast<size_t>(index)];
}

[[noreturn]] void refuse(const std::string& place, const std::string& what) {
  throw InputError(fmt::format("export --to onnx --quantized: {}: {}", place, what));
}

/// How far a curve is from f at most, in steps of what it writes.
double distance(const IntegerProgram& program, const CurveStep& step, const Expression& f) {
  const IntegerBuffer &from = buffer(program, step.from), &to = buffer(program, step.to);
  const IntegerTensor& knots = program.tensors.at(step.f.knots);
  const int64_t most = largest_code(from.bits), stride = std::max<int64_t>(1, 2 * most / kSamples);
  double largest = 0;
  for (int64_t code = -most - 1; code <= most; code += stride) {
    const double exact = f(from.step * static_cast<double>(code - from.zero)) / to.step;
    const double wanted =
        std::clamp(exact + static_cast<double>(to.zero), -static_cast<double>(largest_code(to.bits)) - 1,
                   static_cast<double>(largest_code(to.bits)));
    const auto found = static_cast<double>(clamp_to_bits(value_at(step.f, knots, code), to.bits));
    if (!(std::abs(found - wanted) <= largest)) largest = std::abs(found - wanted);
    if (std::isnan(wanted)) return std::numeric_limits<double>::infinity();
  }
  return largest;
}

}  // namespace

Expression function_of_site(const IntegerProgram& program, const std::string& site) {
  const auto functions = program.origin.find("functions");
  const bool known = functions != program.origin.end() && functions->is_object() &&
                     functions->contains(site) && (*functions)[site].is_string();
  if (!known) refuse(site, "the origin names no function, expected that of a network that quantize wrote");
  return Expression::parse((*functions)[site].get<std::string>());
}

Expression function_of_curve(const IntegerProgram& program, const std::string& place, const CurveStep& step) {
  Expression nearest;
  double least = std::numeric_limits<double>::infinity();
  const bool is_site = std::find(program.sites.begin(), program.sites.end(), place) != program.sites.end();
  const auto consider = [&](const Expression& f) {
    const double far = distance(program, step, f);
    if (far >= least) return;
    least = far;
    nearest = f;
  };
  if (is_site) {
    consider(function_of_site(program, place));
  } else {
    for (const auto& [name, f] : onnx_activations()) consider(f);
  }
  if (!(least <= kMostSteps)) {
    refuse(place, fmt::format("the curve is {:.3g} steps from {}, expected 1 or less", least,
                              is_site ? "the function that the origin names" : "any activation"));
  }
  return nearest;
}

ScaleFunction function_of_scale(const IntegerProgram& program, const std::string& place,
                                const ScaleStep& step) {
  const IntegerBuffer &from = buffer(program, step.from), &to = buffer(program, step.to);
  const Expression f = function_of_site(program, place);
  const auto g = factor_of_r(f);
  if (!g) refuse(place, f.to_string() + ", expected x times a function of r");
  const IntegerTensor& knots = program.tensors.at(step.g.knots);
  const auto r_of = [&](int64_t code) {
    const int64_t r = (code << step.r_cut) + ((int64_t{1} << step.r_cut) >> 1);
    return from.told_step * static_cast<double>(r - from.told_zero);
  };
  const double unit = std::ldexp(from.step / to.step, step.shift);
  const int64_t intervals = knots.size() - 1, stride = std::max<int64_t>(1, intervals / kSamples);
  for (int64_t i = 0; i < intervals; i += stride) {  // the last knot may lie behind the range
    const int64_t code = step.g.low + (i << step.g.shift);
    const double wanted = unit * (*g)(r_of(code));
    const auto found = static_cast<double>(value_at(step.g, knots, code));
    if (!(std::abs(found - wanted) <= kMostOfFactor + kShareOfFactor * std::abs(wanted)))
      refuse(place,
             fmt::format("the curve is {} at {}, expected {:.1f} of {}", found, code, wanted, f.to_string()));
  }
  return {f, r_of(step.g.low), r_of(step.g.low + (intervals << step.g.shift))};
}

double rate_of_exponential(const IntegerProgram& program, const std::string& place,
                           const AttentionStep& step) {
  const IntegerTensor& knots = program.tensors.at(step.exp.knots);
  const double one = std::ldexp(1, step.exp_bits) - 1;
  const int64_t end = (knots.size() - 1) << step.exp.shift, stride = std::max<int64_t>(1, end / kSamples);
  const double unit = std::ldexp(1, step.exp.fraction);
  const auto knot = [&](int64_t i) { return static_cast<double>(knots.at(i)) / unit; };
  // Least squares of the logarithm, weighed as the error of the value is.
  double products = 0, squares = 0;
  for (int64_t i = 1; i < knots.size(); ++i) {
    const double value = knot(i), code = static_cast<double>(i << step.exp.shift);
    if (value <= 0) continue;
    products -= value * value * code * std::log(value / one);
    squares += value * value * code * code;
  }
  const double rate = squares > 0 ? products / squares : 0;
  bool agrees = rate > 0 && step.exp.low == 0;
  for (int64_t code = 0; code <= end && agrees; code += stride) {
    const auto found = static_cast<double>(value_at(step.exp, knots, code));
    agrees = std::abs(found - one * std::exp(-rate * static_cast<double>(code))) <=
             kMostSteps + kShareOfExponential * one;
  }
  if (!agrees) refuse(place, "the curve of exp is no exponential, expected one");
  return rate;
}

}  // namespace normgraft
