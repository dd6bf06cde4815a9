#include "short_constants.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "normgraft/expr/grid.h"

namespace normgraft {
namespace {

constexpr double kShare = 1e-3;  ///< of the error, by which all constants together may raise it
constexpr int kMostDigits = 8;   ///< nine tell every float apart

using Program = std::vector<Instruction>;

/// The program with constant k of its node rounded; nothing where a clip's bounds would change order.
std::optional<Program> with_rounded(const Program& program, size_t node, int k, int digits) {
  Program result = program;
  Instruction& step = result[node];
  step.c[k] = ConstantGrid{.digits = digits}.nearest(step.c[k]);
  if (step.op == Op::kClip && step.c[0] > step.c[1]) return {};
  return result;
}

}  // namespace

Expression with_short_constants(const Expression& f, const Samples& samples, double negligible,
                                FitWorkspace& workspace) {
  const double error = block_error(f, samples, workspace);
  const double share =
      std::max(kShare * error, negligible) / static_cast<double>(std::max<size_t>(f.constant_count(), 1));
  double allowed = error;
  Program program(f.program().begin(), f.program().end());
  for (size_t node = 0; node < program.size(); ++node) {
    for (int k = 0; k < primitive(program[node].op).constants; ++k) {
      allowed += share;
      for (int digits = 1; digits <= kMostDigits; ++digits) {
        std::optional<Program> shorter = with_rounded(program, node, k, digits);
        if (!shorter || !(block_error(Expression(*shorter), samples, workspace) <= allowed)) continue;
        program = *std::move(shorter);
        break;
      }
    }
  }
  return Expression(std::move(program));
}

}  // namespace normgraft
