#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "normgraft/core/random.h"
#include "normgraft/evolve/evolve.h"
#include "normgraft/mapping/accumulator.h"
#include "normgraft/mapping/least_squares.h"

// Speed of the search and of what it is made of, on pairs of a synthetic LayerNorm. "evaluations" are of one
// expression over all samples, those of fits counted one by one; "node_rows" are nodes times samples.

namespace normgraft {
namespace {

/// Captures `pairs` pairs: tokens of 96 channels with scales of their own, the same block again and again.
SiteMapping layernorm_site(int64_t pairs) {
  constexpr int64_t kChannels = 96;
  constexpr int64_t kTokens = 104;
  const auto pictures = std::max<int64_t>(4, pairs / (kChannels * kTokens));
  SiteAccumulator accumulator("site", kTokens, kChannels);
  std::vector<float> x(kTokens * kChannels), y(x.size());
  Random random{1};
  for (int64_t token = 0; token < kTokens; ++token) {
    const double scale = std::exp(0.4 * random.normal());
    for (int64_t c = 0; c < kChannels; ++c) {
      const double normal = random.normal() * (c < 4 ? 4 : 1);
      const auto i = static_cast<size_t>(token * kChannels + c);
      x[i] = static_cast<float>(scale * normal);
      y[i] = static_cast<float>(normal / 1.25);
    }
  }
  for (const Fold fold : {Fold::kChoose, Fold::kReport}) accumulator.add_picture(fold, x, y);
  for (int64_t picture = 2; picture < pictures; ++picture) accumulator.add_picture(fit_fold(picture), x, y);
  return accumulator.finish();
}

const SiteMapping& site() {
  static const SiteMapping captured = layernorm_site(1'000'000);
  return captured;
}

const std::vector<Expression>& expressions() {
  static const std::vector<Expression> list = [] {
    std::vector<Expression> parsed;
    for (const char* text :
         {"0.5*clip(0.9*x + 0.1, -3, 4) + 0.2*x", "1.2*tanh(0.7*x + 0.1) + 0.1*x",
          "x/(0.8 + 0.3*abs(x)) + 0.2*clip(x, -1, 1)", "0.6*clip(x, -2, 2)*clip(abs(x), 1, 3)",
          "0.4*max(x - 1, 0.5*x) - 0.1*min(square(x), 3)"}) {
      parsed.push_back(Expression::parse(text));
    }
    return parsed;
  }();
  return list;
}

void count(benchmark::State& state, size_t samples) {
  size_t nodes = 0;
  for (const Expression& f : expressions()) nodes += f.size();
  const auto passes = static_cast<double>(state.iterations());
  const auto rate = benchmark::Counter::kIsRate;
  state.counters["evaluations"] = {passes * static_cast<double>(expressions().size()), rate};
  state.counters["node_rows"] = {passes * static_cast<double>(nodes * samples), rate};
}

void errors(benchmark::State& state) {
  const Samples samples =
      make_samples(site(), Measure::kCount, Part::kFit, static_cast<size_t>(state.range(0)));
  FitWorkspace workspace;
  for (auto _ : state) {
    for (const Expression& f : expressions()) benchmark::DoNotOptimize(block_error(f, samples, workspace));
  }
  count(state, samples.size());
}
BENCHMARK(errors)->Name("error of an expression/bins")->Arg(128)->Arg(256)->Arg(2048);

void jacobians(benchmark::State& state) {
  const Samples samples =
      make_samples(site(), Measure::kCount, Part::kFit, static_cast<size_t>(state.range(0)));
  BlockEvaluator evaluator;
  AlignedFloats y(samples.size()), dc;
  for (auto _ : state) {
    for (const Expression& f : expressions()) {
      dc.resize(f.constant_count() * samples.size());
      evaluator.jacobian(f, samples.x, y, {}, dc);
      benchmark::DoNotOptimize(dc.data());
    }
  }
  count(state, samples.size());
}
BENCHMARK(jacobians)->Name("Jacobian of an expression/bins")->Arg(128)->Arg(256)->Arg(2048);

/// One search of ten generations; wall time, because it has threads of its own.
void search(benchmark::State& state, const SiteMapping& captured, EvolveOptions options) {
  options.generations = 10;
  const Mappings mappings{.model = "synthetic", .weighted = false, .sites = {captured}};
  int64_t evaluations = 0;
  for (auto _ : state) evaluations += evolve(mappings, options, silent_monitor()).sites[0].evaluations;
  state.counters["evaluations"] = {static_cast<double>(evaluations), benchmark::Counter::kIsRate};
}

void search_by_bins(benchmark::State& state) {
  search(state, site(), {.seeds = 2, .threads = 2, .search_bins = static_cast<size_t>(state.range(0))});
}
BENCHMARK(search_by_bins)
    ->Name("search/bins")
    ->Arg(64)
    ->Arg(128)
    ->Arg(512)
    ->Arg(2048)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void search_by_population(benchmark::State& state) {
  search(state, site(), {.population = static_cast<int>(state.range(0)), .seeds = 2, .threads = 2});
}
BENCHMARK(search_by_population)
    ->Name("search/population")
    ->Arg(125)
    ->Arg(500)
    ->Arg(2000)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void search_by_threads(benchmark::State& state) {
  search(state, site(), {.seeds = 4, .threads = static_cast<int>(state.range(0))});
}
BENCHMARK(search_by_threads)
    ->Name("search/threads")
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void search_by_pairs(benchmark::State& state) {
  const SiteMapping captured = layernorm_site(state.range(0));
  search(state, captured, {.seeds = 2, .threads = 2});
}
BENCHMARK(search_by_pairs)
    ->Name("search/pairs captured")
    ->RangeMultiplier(10)
    ->Range(100'000, 100'000'000)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace normgraft

BENCHMARK_MAIN();
