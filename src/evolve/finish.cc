#include "finish.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace normgraft {
namespace {

constexpr int kIterations = 20;
constexpr double kTolerance =
    1e-6;  ///< by which rounding the constants may raise the error, in all, relative

/// The program with constant k of its node rounded; nothing where a clip's bounds would change order.
std::optional<Program> with_rounded(const Program& program, size_t node, int k, int digits) {
  Program result = program;
  Instruction& step = result[node];
  step.c[k] = ConstantGrid{.digits = digits}.nearest(step.c[k]);
  if (step.op == Op::kClip && step.c[0] > step.c[1]) return {};
  return result;
}

/// f with constants of as few digits as the tolerance allows, one constant after another.
Expression with_short_constants(const Expression& f, const Samples& samples, FitWorkspace& workspace) {
  const double error = block_error(f, samples, workspace);
  const double share = kTolerance * error / static_cast<double>(std::max<size_t>(f.constant_count(), 1));
  double allowed = error;
  Program program(f.program().begin(), f.program().end());
  for (size_t node = 0; node < program.size(); ++node) {
    for (int k = 0; k < primitive(program[node].op).constants; ++k) {
      allowed += share;
      for (int digits = 1; digits < 9; ++digits) {
        std::optional<Program> shorter = with_rounded(program, node, k, digits);
        if (!shorter || !(block_error(Expression(*shorter), samples, workspace) <= allowed)) continue;
        program = *std::move(shorter);
        break;
      }
    }
  }
  return Expression(std::move(program));
}

Expression refined(const Expression& f, const SearchProblem& problem, const Samples& samples,
                   FitWorkspace& workspace) {
  Expression candidate = f;
  if (problem.options.constant_iterations > 0) fit(candidate, samples, kIterations, problem.rules, workspace);
  if (problem.rules.grid.allows_all())
    candidate = simplify(with_short_constants(candidate, samples, workspace));
  return why_not_admissible(candidate, {problem.seen}).empty() ? candidate : f;
}

/// The smallest number a constant may be that is at least LayerNorm's largest |y|, or close to it; where a
/// number was added to y of all channels, with that.
float largest_y(const SearchProblem& problem, const Samples& samples) {
  const float own = std::sqrt(static_cast<float>(problem.channels - 1));
  float seen = 0;
  for (float y : samples.y) seen = std::max(seen, std::abs(y));
  const float bound = std::ceil(seen > 1.001F * own ? seen + own : own);
  const float nearest = problem.rules.grid.nearest(bound);
  return nearest < bound ? problem.rules.grid.nearest(1.5F * bound) : nearest;
}

/// f, with a clip around it where it leaves the range of LayerNorm's y near the range of x seen. Grafts drift
/// there.
Expression within_range_of_layernorm(Expression f, const SearchProblem& problem, const Samples& samples) {
  const auto clip = std::find_if(problem.functions.weights.begin(), problem.functions.weights.end(),
                                 [](const auto& weight) { return weight.first == Op::kClip; });
  const bool may_clip = clip != problem.functions.weights.end() && problem.functions.free_clip_bounds;
  const float most = largest_y(problem, samples);
  if (!may_clip || stays_within(f, most, {problem.seen})) return f;
  Program program(f.program().begin(), f.program().end());
  program.push_back({Op::kClip, {-most, most}});
  Expression held(std::move(program));
  // Constants that simplify() computes from others need not be on the grid.
  Expression simple = simplify(held);
  return is_on_grid(simple, problem.rules.grid) ? simple : held;
}

}  // namespace

FrontPoint judged(Expression expression, double cost, int seed, const JudgingSamples& judging) {
  const Fit fit = evaluate_fit(expression, judging.fit);
  const Fit choose = evaluate_fit(expression, judging.choose);
  const Fit report = evaluate_fit(expression, judging.report);
  const Fit plain = evaluate_fit(expression, judging.plain);
  return {.expression = std::move(expression),
          .cost = cost,
          .error = fit.error,
          .r2 = fit.r2,
          .held_out_r2 = report.r2,
          .plain_r2 = plain.r2,
          .seed = seed,
          .choose_error = choose.error,
          .choose_r2 = choose.r2};
}

std::vector<FrontPoint> finished_front(const std::vector<Individual>& archive, const SearchProblem& problem,
                                       const JudgingSamples& judging, int seed) {
  FitWorkspace workspace;
  std::vector<FrontPoint> points;
  for (const Individual& individual : archive) {
    Expression f = within_range_of_layernorm(refined(individual.expression, problem, judging.fit, workspace),
                                             problem, judging.fit);
    const double cost = problem.cost(f);
    FrontPoint point = judged(std::move(f), cost, seed, judging);
    if (std::isfinite(point.error)) points.push_back(std::move(point));
  }
  return pareto_front(std::move(points));
}

}  // namespace normgraft
