#include "constants.h"

#include <algorithm>
#include <cmath>

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
  constants[k] = rules.grid.nearest(constants[k]);
  size_t first = 0;
  for (const Instruction& step : f.program()) {
    if (step.op == Op::kClip) constants[first + 1] = std::max(constants[first], constants[first + 1]);
    first += static_cast<size_t>(primitive(step.op).constants);
  }
  f.set_constants(constants);
}

}  // namespace

bool computes_constants(const Expression& f) {
  const auto program = f.program();
  const auto is_constant = [](const Instruction& step) { return step.op == Op::kConstant; };
  for (size_t i = 0; i < program.size(); ++i) {
    const auto arity = static_cast<size_t>(primitive(program[i].op).arity);
    const auto operands = program.subspan(i - arity, arity);
    if (arity > 0 && std::all_of(operands.begin(), operands.end(), is_constant)) return true;
  }
  return false;
}

double fit(Expression& f, const Samples& samples, int iterations, const ConstantRules& rules,
           FitWorkspace& workspace) {
  std::vector<bool> fixed = fixed_constants(f, rules);
  const double error = fit_constants(f, samples, iterations, workspace, fixed);
  if (rules.grid.allows_all() || !std::isfinite(error)) return error;
  for (size_t k = 0; k < fixed.size(); ++k) {
    if (fixed[k]) continue;
    round_constant(f, k, rules);
    fixed[k] = true;
    fit_constants(f, samples, std::min(iterations, 1), workspace, fixed);
  }
  return block_error(f, samples, workspace);
}

}  // namespace normgraft
