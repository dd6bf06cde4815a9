#include "finish.h"

#include <algorithm>
#include <cmath>

#include "short_constants.h"

namespace normgraft {
namespace {

constexpr int kIterations = 20;

/// f with its constants fitted on all bins, where that may be used.
Expression refined(const Expression& f, const SearchProblem& problem, const Samples& samples,
                   FitWorkspace& workspace) {
  if (problem.options.constant_iterations == 0) return f;
  Expression candidate = f;
  fit(candidate, samples, kIterations, problem.rules, workspace);
  return problem.admits(candidate) ? candidate : f;
}

/// The smallest number a constant may be that is at least `bound`, or close to it.
float bound_on_grid(float bound, const ConstantGrid& grid) {
  const float nearest = grid.nearest(bound);
  return nearest < bound ? grid.nearest(1.5F * bound) : nearest;
}

/// LayerNorm's largest |y|; where a number was added to y of all channels, with that.
float largest_y(const SearchProblem& problem, const Samples& samples) {
  const float own = std::sqrt(static_cast<float>(problem.channels - 1));
  float seen = 0;
  for (float y : samples.y) seen = std::max(seen, std::abs(y));
  return std::ceil(seen > 1.001F * own ? seen + own : own);
}

/// Within which a function of the pairs has to stay, and where.
struct Bounds {
  float most;
  Interval x;
  double scale;
};

Bounds bounds(const SearchProblem& problem, const Samples& samples) {
  const auto on_grid = [&](float most) { return bound_on_grid(most, problem.rules.grid); };
  const Carried& carried = problem.carried;
  if (!carried.channel) return {on_grid(largest_y(problem, samples)), problem.seen, 4};
  // 1/s is at most exp(-low). A good function may be somewhat above it there, where hardly a token is.
  const auto most = static_cast<float>(std::ceil(1.5 * std::exp(-carried.low)));
  return {on_grid(most), {carried.low, carried.high}, 1};
}

bool stays_within(const Expression& f, const Bounds& bounds) {
  return stays_within(f, bounds.most, {bounds.x}, bounds.scale);
}

/// f with short constants, where that may be used and leaves the bounds no more than f does.
Expression shortened(const Expression& f, const SearchProblem& problem, const Samples& samples,
                     const Bounds& bounds, FitWorkspace& workspace) {
  if (!problem.rules.grid.allows_all()) return f;
  Expression candidate = simplify(with_short_constants(f, samples, problem.negligible, workspace));
  if (!problem.admits(candidate)) return f;
  return stays_within(candidate, bounds) || !stays_within(f, bounds) ? candidate : f;
}

/// f, with a clip around it where it leaves the range of LayerNorm's y near the range of x seen. Grafts drift
/// there.
Expression within_range_of_layernorm(Expression f, const SearchProblem& problem, const Bounds& bounds) {
  const auto clip = std::find_if(problem.functions.weights.begin(), problem.functions.weights.end(),
                                 [](const auto& weight) { return weight.first == Op::kClip; });
  const bool may_clip = clip != problem.functions.weights.end() && problem.functions.free_clip_bounds;
  if (!may_clip || stays_within(f, bounds)) return f;
  Program program(f.program().begin(), f.program().end());
  program.push_back({Op::kClip, {-bounds.most, bounds.most}});
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
  const Bounds range = bounds(problem, judging.fit);
  std::vector<FrontPoint> points;
  for (const Individual& individual : archive) {
    Expression f = refined(individual.expression, problem, judging.fit, workspace);
    f = shortened(f, problem, judging.fit, range, workspace);
    f = within_range_of_layernorm(std::move(f), problem, range);
    const double cost = problem.cost(f);
    if (!std::isfinite(cost)) continue;
    FrontPoint point = judged(std::move(f), cost, seed, judging);
    if (std::isfinite(point.error)) points.push_back(std::move(point));
  }
  return pareto_front(std::move(points));
}

}  // namespace normgraft
