#include "search.h"

#include <algorithm>
#include <cmath>

namespace normgraft {
namespace {

constexpr int kAttempts = 5;          ///< at a new individual before its slot stays empty
constexpr int kTriesOfStructure = 3;  ///< from different constants
constexpr int kFirstIterations = 1;   ///< of the fit, before only promising individuals go on
constexpr double kPromising = 0.3;    ///< share of the population that may dominate a promising individual

bool has_clip(const Expression& f) {
  for (const Instruction& step : f.program()) {
    if (step.op == Op::kClip) return true;
  }
  return false;
}

/// `fitted` with the clip bounds of `original`, a program of the same structure.
Expression with_bounds_of(const Expression& original, const Expression& fitted) {
  Program program(fitted.program().begin(), fitted.program().end());
  for (size_t i = 0; i < program.size(); ++i) {
    if (program[i].op == Op::kClip) program[i] = original.program()[i];
  }
  return Expression(std::move(program));
}

}  // namespace

CostTable::CostTable(const Profile& profile) {
  for (const Primitive& p : primitives()) {
    const auto found = profile.cost.find(p.name);
    cost_.push_back(found == profile.cost.end() ? 0 : found->second);
  }
}

double CostTable::operator()(const Expression& f) const {
  double sum = 0;
  for (const Instruction& step : f.program()) sum += cost_[static_cast<size_t>(step.op)];
  return sum;
}

double fit(Expression& f, const Samples& samples, int iterations, bool free_clip_bounds,
           FitWorkspace& workspace) {
  if (free_clip_bounds || !has_clip(f)) return fit_constants(f, samples, iterations, workspace);
  const double before = block_error(f, samples, workspace);
  Expression fitted = f;
  fit_constants(fitted, samples, iterations, workspace);
  fitted = with_bounds_of(f, fitted);
  const double after = block_error(fitted, samples, workspace);
  if (!(after < before)) return before;
  f = std::move(fitted);
  return after;
}

Search::Search(const SearchProblem& problem, int seed)
    : problem_(problem),
      variation_(problem.functions, problem.x_scale, problem.options.max_nodes),
      seed_(static_cast<uint64_t>(seed)) {}

void Search::advance() {
  const auto size = static_cast<size_t>(problem_.options.population);
  std::vector<Individual> created;
  created.reserve(2 * size);
  for (uint64_t index = 0; index < size; ++index) {
    std::optional<Individual> individual = population_.empty() ? first_individual(index) : child(index);
    if (individual) created.push_back(std::move(*individual));
  }
  std::vector<Individual> known = archive_;
  known.insert(known.end(), created.begin(), created.end());
  archive_ = pareto_front(std::move(known));
  created.insert(created.end(), population_.begin(), population_.end());
  population_ = select_best(std::move(created), size);
  ++generation_;
}

std::optional<Individual> Search::first_individual(uint64_t index) {
  Random random{problem_.options.seed, problem_.stream, seed_, generation_, index};
  const int depths = std::max(1, problem_.options.initial_depth - 1);
  const int depth = problem_.options.initial_depth - static_cast<int>(index / 2) % depths;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto individual = assess(variation_.random_tree(depth, index % 2 == 0, random), random);
    if (individual) return individual;
  }
  return {};
}

std::optional<Individual> Search::child(uint64_t index) {
  Random random{problem_.options.seed, problem_.stream, seed_, generation_, index};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Expression& a = tournament(random);
    const Expression& b = tournament(random);
    auto individual = assess(variation_.vary(a.program(), b.program(), random), random);
    if (individual) return individual;
  }
  return {};
}

const Expression& Search::tournament(Random& random) const {
  uint64_t best = population_.size() - 1;
  for (int i = 0; i < problem_.options.tournament; ++i)
    best = std::min(best, random.below(population_.size()));
  return population_[best].expression;
}

std::optional<Individual> Search::assess(Program program, Random& random) {
  Individual individual{.expression = simplify(Expression(std::move(program)))};
  Expression& f = individual.expression;
  if (problem_.functions.linear_scaling && random.uniform() < 0.5) scale(f);
  individual.structure = structure_hash(f);
  if (++tries_[individual.structure] > kTriesOfStructure) return {};
  ++evaluations_;
  individual.cost = problem_.cost(f);
  fit_constants_of(individual);
  if (!std::isfinite(individual.error) || !why_not_admissible(f, problem_.seen).empty()) return {};
  return individual;
}

void Search::scale(Expression& f) {
  Expression scaled = f;
  scale_linearly(scaled, problem_.samples, workspace_);
  if (scaled.size() <= static_cast<size_t>(problem_.options.max_nodes)) f = std::move(scaled);
}

void Search::fit_constants_of(Individual& individual) {
  const int iterations = problem_.options.constant_iterations;
  const bool free_bounds = problem_.functions.free_clip_bounds;
  const int first = std::min(iterations, kFirstIterations);
  individual.error = fit(individual.expression, problem_.samples, first, free_bounds, workspace_);
  if (iterations > first && promising(individual)) {
    individual.error =
        fit(individual.expression, problem_.samples, iterations - first, free_bounds, workspace_);
  }
}

bool Search::promising(const Individual& individual) const {
  const auto dominating = std::count_if(population_.begin(), population_.end(), [&](const Individual& other) {
    return other.cost <= individual.cost && other.error <= individual.error;
  });
  return static_cast<double>(dominating) <= kPromising * static_cast<double>(population_.size());
}

}  // namespace normgraft
