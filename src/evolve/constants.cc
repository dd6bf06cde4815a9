#include "constants.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace normgraft {
namespace {

/// For each constant whether no fit may move it.
std::vector<bool> fixed_constants(const Expression& f, const ConstantRules& rules) {
  std::vector<bool> fixed;
  for (const Instruction& step : f.program()) {
    fixed.insert(fixed.end(), static_cast<size_t>(primitive(step.op).constants),
                 step.op == Op::kClip && !rules.free_clip_bounds);
  }
  return fixed;
}

/// Where rounding crosses the bounds of a clip they become one.
void round_constant(Expression& f, size_t k, const ConstantRules& rules) {
  std::vector<float> constants = f.constants();
  constants[k] = nearest_on_grid(constants[k], rules);
  size_t first = 0;
  for (const Instruction& step : f.program()) {
    if (step.op == Op::kClip) constants[first + 1] = std::max(constants[first], constants[first + 1]);
    first += static_cast<size_t>(primitive(step.op).constants);
  }
  f.set_constants(constants);
}

}  // namespace

ConstantRules::ConstantRules(const EvolveOptions& options, const FunctionSet& functions)
    : free_clip_bounds(functions.free_clip_bounds),
      digits(options.digits),
      fraction_bits(options.fraction_bits) {}

float with_digits(float value, int digits) {
  return std::strtof(fmt::format("{:.{}e}", value, digits - 1).c_str(), nullptr);
}

float nearest_on_grid(float value, const ConstantRules& rules) {
  if (!rules.on_grid()) return value;
  if (rules.digits > 0) return with_digits(value, rules.digits);
  const float scale = std::ldexp(1.0F, rules.fraction_bits);
  const float rounded = std::nearbyint(value * scale) / scale;
  return std::isfinite(rounded) ? rounded : value;
}

double fit(Expression& f, const Samples& samples, int iterations, const ConstantRules& rules,
           FitWorkspace& workspace) {
  std::vector<bool> fixed = fixed_constants(f, rules);
  const double error = fit_constants(f, samples, iterations, workspace, fixed);
  if (!rules.on_grid() || !std::isfinite(error)) return error;
  for (size_t k = 0; k < fixed.size(); ++k) {
    if (fixed[k]) continue;
    round_constant(f, k, rules);
    fixed[k] = true;
    fit_constants(f, samples, std::min(iterations, 1), workspace, fixed);
  }
  return block_error(f, samples, workspace);
}

}  // namespace normgraft
