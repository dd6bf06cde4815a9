#include "normgraft/evolve/evolve.h"

#include <fmt/format.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <optional>

#include "checkpoint.h"
#include "finish.h"
#include "normgraft/mapping/baselines.h"
#include "search.h"
#include "short_constants.h"

namespace normgraft {
namespace {

constexpr double kSecondsBetweenCheckpoints = 30;

/// What shorter constants may cost at a site, in nats, where that is more than their share of its error.
constexpr double kNegligibleNats = 1e-5;

/// Joins the progress of all tasks into one line, and calls the monitor from one thread at a time.
class Progress {
 public:
  Progress(Monitor& monitor, size_t tasks, int generations)
      : monitor_(monitor), total_(static_cast<int64_t>(tasks) * generations), tasks_(tasks) {}

  void check() {
    const std::lock_guard lock(mutex_);
    monitor_.check();
  }

  /// `bound` is what no function's R^2 on the same samples exceeds.
  void generation_done(size_t task, double r2, double bound, int64_t evaluations) {
    const std::lock_guard lock(mutex_);
    tasks_[task] = {true, r2, bound};
    evaluations_ += evaluations;
    monitor_.progress("evolve", ++done_, total_, "generations", note());
  }

  /// Generations that will not be run: done in an earlier call, or beyond the limit of time.
  void skip(int generations) {
    const std::lock_guard lock(mutex_);
    total_ -= generations;
  }

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  struct Task {
    bool begun = false;
    double r2 = 0;
    double bound = 0;
  };

  std::string note() const {
    Task sum;
    int begun = 0;
    for (const Task& task : tasks_) {
      if (!task.begun) continue;
      ++begun;
      sum.r2 += task.r2;
      sum.bound += task.bound;
    }
    return fmt::format("mean R2 {:.5f} of at most {:.5f} on the bins searched, {:.0f}k evaluations/s",
                       sum.r2 / begun, sum.bound / begun,
                       static_cast<double>(evaluations_) / seconds() / 1000);
  }

  using Clock = std::chrono::steady_clock;

  Monitor& monitor_;
  std::mutex mutex_;
  Clock::time_point start_ = Clock::now();
  int64_t evaluations_ = 0;
  int64_t done_ = 0;
  int64_t total_;
  std::vector<Task> tasks_;
};

/// One site with what all its seeds share.
struct Site {
  const SiteMapping* mapping = nullptr;
  double negligible = 0;  ///< mean squared error that constants may add to have fewer digits
  Samples search;
  JudgingSamples judging;
  SiteFront result;
  std::vector<int64_t> evaluations;   ///< of each seed
  std::vector<std::string> off_grid;  ///< closed forms without admissible constants on the grid
  std::vector<std::string> no_unit;   ///< closed forms that cannot be made circuits
  std::optional<PairCost> cost = {};
};

std::vector<Site> chosen_sites(const Mappings& mappings, const EvolveOptions& options) {
  for (const std::string& name : options.sites) mappings.site(name);
  std::vector<Site> sites;
  for (const SiteMapping& mapping : mappings.sites) {
    const bool wanted = options.sites.empty() || std::find(options.sites.begin(), options.sites.end(),
                                                           mapping.name) != options.sites.end();
    if (wanted) sites.emplace_back().mapping = &mapping;
  }
  if (sites.empty()) throw InputError("mappings: there are no sites to search");
  return sites;
}

/// The mean squared error on these samples is that on `samples` plus tail_penalty * mean of f(+-2 max|x|)^2.
Samples with_tail_penalty(Samples samples, double tail_penalty) {
  if (tail_penalty == 0) return samples;
  const float far = 2 * std::max(-samples.x.front(), samples.x.back());
  const auto weight = static_cast<float>(tail_penalty / 2);
  for (const float x : {-far, far}) {
    const auto at = x < 0 ? [](std::vector<float>& v) { return v.begin(); }
                          : [](std::vector<float>& v) { return v.end(); };
    samples.x.insert(at(samples.x), x);
    samples.y.insert(at(samples.y), 0.0F);
    samples.weight.insert(at(samples.weight), weight);
  }
  return samples;
}

double standard_deviation_of_x(const Samples& samples) {
  double weight = 0;
  double mean = 0;
  double square = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const double x = samples.x[i];
    weight += samples.weight[i];
    mean += samples.weight[i] * x;
    square += samples.weight[i] * x * x;
  }
  mean /= weight;
  const double variance = square / weight - mean * mean;
  return variance > 0 ? std::sqrt(variance) : 1.0;
}

uint64_t stream_of(const std::string& name) {
  return fnv1a(std::as_bytes(std::span(name)));
}

/// Throws InputError where a fold that the search needs has no pairs of positive weight.
void check_folds(const SiteMapping& mapping, Measure measure, bool choose_part) {
  const auto check = [&](Fold fold, const char* purpose) {
    double weight = 0;
    for (const Moments& bin : mapping.of(measure, fold)) weight += bin.weight;
    if (weight > 0) return;
    throw InputError(
        fmt::format("mappings: site {} has no pairs of positive weight {}, expected some in each "
                    "part of the pictures",
                    mapping.name, purpose));
  };
  check(Fold::kFirstHalf, "in the first half of those to fit on");
  check(Fold::kSecondHalf, "in the second half of those to fit on");
  if (choose_part) check(Fold::kChoose, "to choose by");
  check(Fold::kReport, "to report on");
}

/// A closed form with its constants as they are to be written: short, or on the grid as well as that can be
/// found by rounding all at once or one after another. Nothing where it is not admissible there.
std::optional<FrontPoint> written(const Baseline& form, const Site& site, const ConstantGrid& grid,
                                  FitWorkspace& workspace) {
  constexpr int kIterations = 20;
  const Samples& samples = site.judging.fit;
  const auto judge = [&](const Expression& f) { return judged(f, (*site.cost)(f), 0, site.judging); };
  const auto refused = [&](const Expression& f) {
    return !why_not_admissible(f, site.result.seen, site.mapping->carried).empty();
  };
  if (grid.allows_all()) {
    const Expression f = simplify(with_short_constants(form.expression, samples, site.negligible, workspace));
    return judge(refused(f) ? form.expression : f);
  }
  std::vector<Expression> candidates = {on_grid(form.expression, grid)};
  Expression& refitted = candidates.emplace_back(form.expression);
  const bool fixed_bounds = form.name == "clip5";
  fit(refitted, samples, kIterations, {.free_clip_bounds = !fixed_bounds, .grid = grid}, workspace);
  std::erase_if(candidates, [&](const Expression& f) { return refused(f) || !is_on_grid(f, grid); });
  std::optional<FrontPoint> best;
  for (const Expression& f : candidates) {
    FrontPoint point = judge(f);
    if (!best || point.error < best->error) best = std::move(point);
  }
  return best;
}

void add_baselines(Site& site, const ConstantGrid& grid) {
  FitWorkspace workspace;
  for (const Baseline& form : fit_baselines(site.judging.fit, site.result.seen, site.mapping->carried)) {
    auto point = written(form, site, grid, workspace);
    if (point && !std::isfinite(point->cost)) {
      site.no_unit.push_back(form.name);
    } else if (point) {
      site.result.baselines.push_back({form.name, *std::move(point)});
    } else {
      site.off_grid.push_back(form.name);
    }
  }
}

void prepare(Site& site, const Mappings& all, const EvolveOptions& options, const Profile& profile) {
  const SiteMapping& mapping = *site.mapping;
  const bool choose_part = all.choose_part;
  check_folds(mapping, options.measure, choose_part);
  site.judging = {.fit = make_samples(mapping, options.measure, Part::kFit),
                  .choose = make_samples(mapping, options.measure, choose_part ? Part::kChoose : Part::kFit),
                  .report = make_samples(mapping, options.measure, Part::kReport),
                  .plain = make_samples(mapping, Measure::kCount, Part::kReport)};
  site.search = with_tail_penalty(make_samples(mapping, options.measure, Part::kFit, options.search_bins),
                                  options.tail_penalty);
  site.evaluations.resize(static_cast<size_t>(options.seeds));
  site.result.site = mapping.name;
  site.result.seen = mapping.range();
  site.result.ceiling = ceiling(mapping, options.measure, Part::kFit);
  site.result.held_out_ceiling = ceiling(mapping, options.measure, Part::kReport);
  site.result.plain_ceiling = ceiling(mapping, Measure::kCount, Part::kReport);
  site.result.effective_pairs = effective_pairs(mapping, options.measure, Part::kFit);
  site.result.seeds.resize(static_cast<size_t>(options.seeds));
  if (all.weighted && options.measure == Measure::kWeight)
    site.negligible = kNegligibleNats / divergence_of_error(mapping, Part::kFit);
  site.cost.emplace(profile, mapping);
  add_baselines(site, options.grid());
}

/// All that the runs share.
struct Searches {
  const EvolveOptions& options;
  const FunctionSet& functions;
  const FunctionSet& functions_of_token;
  const Checkpoints& checkpoints;
  Progress& progress;
  double seconds_each;  ///< wall time of one run, when that is limited
};

std::vector<Expression> first_expressions(const Site& site, const EvolveOptions& options) {
  std::vector<Expression> starts;
  for (const std::string& text : options.starts) starts.push_back(simplify(Expression::parse(text)));
  if (!options.seed_closed_forms) return starts;
  for (const BaselinePoint& baseline : site.result.baselines) {
    if (baseline.point.expression.size() <= static_cast<size_t>(options.max_nodes)) {
      starts.push_back(baseline.point.expression);
    }
  }
  return starts;
}

double r2_of(double error, const Samples& samples) {
  return samples.variance > 0 ? 1 - error / samples.variance : 0;
}

/// Advances a search to its end, or to that of its time, and leaves its state from time to time.
void run_to_the_end(Search& search, const Site& site, int seed, size_t task, const Searches& shared) {
  const EvolveOptions& options = shared.options;
  const auto generations = static_cast<uint64_t>(options.generations);
  const std::string& name = site.result.site;
  const double start = shared.progress.seconds();
  double saved = start;
  while (search.state().generation < generations) {
    const double now = shared.progress.seconds();
    if (options.seconds > 0 && now - start >= shared.seconds_each) {
      shared.progress.skip(static_cast<int>(generations - search.state().generation));
      break;
    }
    try {
      shared.progress.check();
    } catch (const Interrupted&) {
      shared.checkpoints.write(name, seed, search.state());
      throw;
    }
    if (now - saved >= kSecondsBetweenCheckpoints) {
      shared.checkpoints.write(name, seed, search.state());
      saved = now;
    }
    const int64_t evaluations = search.state().evaluations;
    search.advance();
    const std::vector<Individual>& archive = search.state().archive;
    const double error = archive.empty() ? site.search.variance : archive.back().error;
    shared.progress.generation_done(task, r2_of(error, site.search), r2_of(site.search.residual, site.search),
                                    search.state().evaluations - evaluations);
  }
  shared.checkpoints.write(name, seed, search.state());
}

void search_site(Site& site, int seed, size_t task, const Searches& shared) {
  const Carried& carried = site.mapping->carried;
  const FunctionSet& functions = carried.channel ? shared.functions_of_token : shared.functions;
  const SearchProblem problem{.options = shared.options,
                              .functions = functions,
                              .cost = *site.cost,
                              .samples = site.search,
                              .rules = {functions.free_clip_bounds, shared.options.grid()},
                              .starts = first_expressions(site, shared.options),
                              .seen = site.result.seen,
                              .channels = site.mapping->channels,
                              .carried = carried,
                              .negligible = site.negligible,
                              .x_scale = standard_deviation_of_x(site.search),
                              .stream = stream_of(site.result.site)};
  SearchState state = shared.checkpoints.read(site.result.site, seed).value_or(SearchState{});
  shared.progress.skip(static_cast<int>(state.generation));
  Search search(problem, seed, std::move(state));
  run_to_the_end(search, site, seed, task, shared);
  site.result.seeds[static_cast<size_t>(seed)] =
      finished_front(search.state().archive, problem, site.judging, seed);
  site.evaluations[static_cast<size_t>(seed)] = search.state().evaluations;
}

/// What was found for the pairs of a site, as functions at the site.
void move_to_site(SiteFront& front, const Carried& carried, const PairCost& cost) {
  if (!carried.channel) return;
  const auto move = [&](FrontPoint& point) {
    point.cost = cost.at_site(point.cost);
    point.expression = at_site(point.expression, carried);
  };
  std::for_each(front.front.begin(), front.front.end(), move);
  for (std::vector<FrontPoint>& seed : front.seeds) std::for_each(seed.begin(), seed.end(), move);
  for (BaselinePoint& baseline : front.baselines) move(baseline.point);
}

SiteFront joined(Site& site) {
  std::vector<FrontPoint> points;
  for (const std::vector<FrontPoint>& front : site.result.seeds) {
    points.insert(points.end(), front.begin(), front.end());
  }
  site.result.front = pareto_front(std::move(points));
  for (const int64_t n : site.evaluations) site.result.evaluations += n;
  return std::move(site.result);
}

}  // namespace

Fronts evolve(const Mappings& mappings, const EvolveOptions& options, Monitor& monitor,
              const Path& checkpoints) {
  options.validate();
  const FunctionSet functions = function_set(options.function_set);
  const FunctionSet functions_of_token = function_set(options.function_set, true);
  const Profile profile =
      options.profile == "flops" ? flops_profile(kSearchClipCost) : load_profile(options.profile);
  std::vector<Site> sites = chosen_sites(mappings, options);
  if (!mappings.choose_part) {
    monitor.notice(
        "evolve: these mappings hold no pictures to choose by; choices are made on those fitted on");
  }
  const auto seeds = static_cast<size_t>(options.seeds);
  Progress progress(monitor, sites.size() * seeds, options.generations);
  const int threads = options.threads > 0 ? options.threads : tbb::info::default_concurrency();
  const size_t tasks = sites.size() * seeds;
  const Checkpoints states(checkpoints, checkpoints.empty() ? 0 : search_identity(mappings, options));
  const Searches shared{
      options,
      functions,
      functions_of_token,
      states,
      progress,
      options.seconds * std::min(threads, static_cast<int>(tasks)) / static_cast<double>(tasks)};
  const tbb::global_control workers(tbb::global_control::max_allowed_parallelism,
                                    static_cast<size_t>(threads));
  tbb::task_arena arena(threads);
  arena.execute([&] {
    tbb::parallel_for(size_t{0}, sites.size(), [&](size_t i) {
      progress.check();
      prepare(sites[i], mappings, options, profile);
    });
    for (const Site& site : sites) {
      if (!site.no_unit.empty()) {
        monitor.notice(
            fmt::format("evolve: site {}: closed forms left out, as they cannot be made circuits: {}",
                        site.result.site, fmt::join(site.no_unit, ", ")));
      }
      if (site.off_grid.empty()) continue;
      monitor.notice(
          fmt::format("evolve: site {}: closed forms left out, as rounded to the grid they are not "
                      "admissible: {}",
                      site.result.site, fmt::join(site.off_grid, ", ")));
    }
    tbb::parallel_for(size_t{0}, tasks, [&](size_t task) {
      search_site(sites[task / seeds], static_cast<int>(task % seeds), task, shared);
    });
  });

  if (options.seconds > 0) monitor.notice("evolve: limited by time, another run may find other functions");

  Fronts fronts{.options = options, .unit = profile.unit, .of_units = profile.of_circuits()};
  for (Site& site : sites) {
    fronts.sites.push_back(joined(site));
    move_to_site(fronts.sites.back(), site.mapping->carried, *site.cost);
  }
  fronts.seconds = progress.seconds();
  return fronts;
}

}  // namespace normgraft
