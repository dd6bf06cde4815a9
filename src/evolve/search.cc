#include "search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace normgraft {
namespace {

constexpr int kAttempts = 5;          ///< at a new individual before its slot stays empty
constexpr int kTriesOfStructure = 3;  ///< from different constants
constexpr int kFirstIterations = 1;   ///< of the fit, before only promising individuals go on
constexpr double kPromising = 0.3;    ///< share of the population that may dominate a promising individual

/// Relative gain of an archived error that counts as progress.
constexpr double kProgress = 1e-4;

/// Whether few of the population dominate it already.
bool promising(const Individual& individual, const std::vector<Individual>& population) {
  const auto dominating = std::count_if(population.begin(), population.end(), [&](const Individual& other) {
    return other.cost <= individual.cost && other.error <= individual.error;
  });
  return static_cast<double>(dominating) <= kPromising * static_cast<double>(population.size());
}

}  // namespace

PairCost::PairCost(const Profile& profile, const SiteMapping& site)
    : carried_(site.carried), channels_(site.channels) {
  if (profile.of_circuits()) {
    area_.emplace(profile, site);
    return;
  }
  for (const Primitive& p : primitives()) {
    const auto found = profile.cost.find(p.name);
    by_op_.push_back(found == profile.cost.end() ? 0 : found->second);
  }
}

double PairCost::operator()(const Expression& g) const {
  if (area_) return (*area_)(normgraft::at_site(g, carried_));
  double sum = 0;
  for (const Instruction& step : g.program()) sum += by_op_[static_cast<size_t>(step.op)];
  return sum;
}

double PairCost::at_site(double cost) const {
  if (area_ || !carried_.channel) return cost;
  return (*this)(normgraft::at_site(Expression(), carried_)) + cost / static_cast<double>(channels_);
}

Search::Search(const SearchProblem& problem, int seed, SearchState state)
    : problem_(problem),
      variation_(problem.functions, problem.x_scale, problem.options.max_nodes),
      seed_(static_cast<uint64_t>(seed)),
      island_size_(static_cast<size_t>(problem.options.population / problem.options.islands)),
      state_(std::move(state)) {
  state_.islands.resize(static_cast<size_t>(problem.options.islands));
}

void Search::advance() {
  for (size_t i = 0; i < state_.islands.size(); ++i) advance(state_.islands[i], i * island_size_);
  ++state_.generation;
  if (state_.generation % static_cast<uint64_t>(problem_.options.migration) == 0) migrate();
  state_.evaluations += std::exchange(workspace_.evaluations, 0);
}

void Search::advance(Island& island, uint64_t first_index) {
  const bool anew = island.population.empty() || problem_.options.random_search;
  std::vector<Individual> candidates;
  candidates.reserve(2 * island_size_);
  for (uint64_t i = 0; i < island_size_; ++i) {
    auto individual = anew ? first_individual(island, first_index + i) : child(island, first_index + i);
    if (individual) candidates.push_back(std::move(*individual));
  }
  candidates.insert(candidates.end(), island.population.begin(), island.population.end());
  island.population = select_best(std::move(candidates), island_size_, [&](Individual& individual) {
    individual.admissible = individual.admissible || problem_.admits(individual.expression);
    return individual.admissible;
  });
  island.stagnant = update_archive(island) ? 0 : island.stagnant + 1;
  if (problem_.options.patience > 0 && island.stagnant >= problem_.options.patience) island = {};
}

bool Search::update_archive(const Island& island) {
  std::vector<Individual> known = state_.archive;
  known.insert(known.end(), island.population.begin(), island.population.end());
  known = pareto_front(std::move(known));
  const bool progress = std::any_of(known.begin(), known.end(), [&](const Individual& point) {
    double before = std::numeric_limits<double>::infinity();  // at no higher cost
    for (const Individual& old : state_.archive) {
      if (old.cost <= point.cost) before = std::min(before, old.error);
    }
    return point.error < (1 - kProgress) * before;
  });
  state_.archive = std::move(known);
  return progress;
}

void Search::migrate() {
  for (Island& island : state_.islands) {
    if (island.population.empty()) continue;
    std::vector<Individual> candidates = island.population;
    candidates.insert(candidates.end(), state_.archive.begin(), state_.archive.end());
    island.population =
        select_best(std::move(candidates), island_size_, [](const Individual&) { return true; });
  }
}

std::optional<Individual> Search::first_individual(const Island& island, uint64_t index) {
  if (state_.generation == 0 && index < problem_.starts.size()) return assess(problem_.starts[index], island);
  Random random{problem_.options.seed, problem_.stream, seed_, state_.generation, index};
  const int depths = std::max(1, problem_.options.initial_depth - 1);
  const int depth = problem_.options.initial_depth - static_cast<int>(index / 2) % depths;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto individual = assess(variation_.random_tree(depth, index % 2 == 0, random), island, random);
    if (individual) return individual;
  }
  return {};
}

std::optional<Individual> Search::child(const Island& island, uint64_t index) {
  Random random{problem_.options.seed, problem_.stream, seed_, state_.generation, index};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Expression& a = tournament(island, random);
    const Expression& b = tournament(island, random);
    auto individual = assess(variation_.vary(a.program(), b.program(), random), island, random);
    if (individual) return individual;
  }
  return {};
}

const Expression& Search::tournament(const Island& island, Random& random) const {
  uint64_t best = island.population.size() - 1;
  for (int i = 0; i < problem_.options.tournament; ++i)
    best = std::min(best, random.below(island.population.size()));
  return island.population[best].expression;
}

std::optional<Individual> Search::assess(Program program, const Island& island, Random& random) {
  Expression f = simplify(Expression(std::move(program)));
  if (problem_.functions.linear_scaling && random.uniform() < 0.5) scale(f);
  return assess(std::move(f), island);
}

std::optional<Individual> Search::assess(Expression f, const Island& island) {
  // No grid rounds a constant that is computed.
  if (!problem_.rules.grid.allows_all() && computes_constants(f)) return {};
  Individual individual{.expression = std::move(f)};
  individual.structure = structure_hash(individual.expression);
  if (++state_.tries[individual.structure] > kTriesOfStructure) return {};
  individual.cost = problem_.cost(individual.expression);
  if (!std::isfinite(individual.cost)) return {};
  fit_constants_of(individual, island);
  if (!std::isfinite(individual.error)) return {};
  if (problem_.cost.sees_constants()) individual.cost = problem_.cost(individual.expression);
  if (!std::isfinite(individual.cost)) return {};
  return individual;
}

void Search::scale(Expression& f) {
  Expression scaled = f;
  scale_linearly(scaled, problem_.samples, workspace_);
  if (scaled.size() <= static_cast<size_t>(problem_.options.max_nodes)) f = std::move(scaled);
}

void Search::fit_constants_of(Individual& individual, const Island& island) {
  const int iterations = problem_.options.constant_iterations;
  const int first = std::min(iterations, kFirstIterations);
  individual.error = fit(individual.expression, problem_.samples, first, problem_.rules, workspace_);
  if (iterations > first && promising(individual, island.population)) {
    individual.error =
        fit(individual.expression, problem_.samples, iterations - first, problem_.rules, workspace_);
  }
}

}  // namespace normgraft
