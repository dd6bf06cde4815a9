#include <fmt/format.h>

#include <numeric>

#include "command.h"
#include "normgraft/evolve/plan.h"
#include "normgraft/pipeline/run_folder.h"
#include "normgraft/pipeline/stages.h"
#include "search_options.h"

namespace normgraft::cli {
namespace {

/// The most accurate point of each front; sites without one are left out.
Json as_json(const Fronts& fronts) {
  Json sites = Json::array();
  double r2 = 0, limit = 0;
  int64_t evaluations = 0;
  for (const SiteFront& site : fronts.sites) {
    if (site.front.empty()) continue;
    const FrontPoint& best = site.front.back();
    Json baselines = Json::object();
    for (const BaselinePoint& baseline : site.baselines)
      baselines[baseline.name] = baseline.point.held_out_r2;
    sites.push_back(Json{{"name", site.site},
                         {"ceiling", site.held_out_ceiling},
                         {"r2", best.held_out_r2},
                         {"fitted_r2", best.r2},
                         {"plain_r2", best.plain_r2},
                         {"plain_ceiling", site.plain_ceiling},
                         {"effective_pairs", site.effective_pairs},
                         {"expression", best.expression.to_string()},
                         {"cost", best.cost},
                         {"front", site.front.size()},
                         {"baselines", baselines}});
    r2 += best.held_out_r2;
    limit += site.held_out_ceiling;
    evaluations += site.evaluations;
  }
  const double count = sites.empty() ? 1.0 : static_cast<double>(sites.size());
  return Json{{"sites", sites},
              {"mean_r2", r2 / count},
              {"mean_ceiling", limit / count},
              {"evaluations", evaluations},
              {"seconds", fronts.seconds},
              {"seed", fronts.options.seed}};
}

std::string as_text(const Json& json) {
  std::string text = fmt::format("{:<18}{:>9}{:>9}{:>9}{:>9}{:>7}  {}", "site", "ceiling", "R^2", "plain",
                                 "R^2", "cost", "most accurate function");
  for (const Json& site : json["sites"]) {
    text += fmt::format(
        "\n{:<18}{:>9.4f}{:>9.4f}{:>9.4f}{:>9.4f}{:>7.0f}  {}", site["name"].get<std::string>(),
        site["ceiling"].get<double>(), site["r2"].get<double>(), site["plain_ceiling"].get<double>(),
        site["plain_r2"].get<double>(), site["cost"].get<double>(), site["expression"].get<std::string>());
  }
  return text + fmt::format(
                    "\nmean R^2 {:.4f}, ceiling {:.4f} (pictures held out), {:.1f} s, {:.1f} million "
                    "evaluations, seed {}",
                    json["mean_r2"].get<double>(), json["mean_ceiling"].get<double>(),
                    json["seconds"].get<double>(), json["evaluations"].get<double>() / 1e6,
                    json["seed"].get<uint64_t>());
}

}  // namespace

void add_search_options(CLI::App& command, EvolveOptions& options) {
  command
      .add_option("--function-set", options.function_set,
                  "hardware, paper, or a list of primitives: +,*,clip=2")
      ->capture_default_str();
  command.add_option("--profile", options.profile, "what cost means: flops, or a JSON file")
      ->capture_default_str();
  command.add_option("--population", options.population, "individuals")->capture_default_str();
  command.add_option("--generations", options.generations, "generations")->capture_default_str();
  command.add_option("--islands", options.islands, "populations that share only the archive")
      ->capture_default_str();
  command
      .add_option("--migration", options.migration,
                  "generations between visits of the archive to the islands")
      ->capture_default_str();
  command
      .add_option("--patience", options.patience,
                  "generations without progress before an island starts anew; 0: never")
      ->capture_default_str();
  command.add_option("--tournament", options.tournament, "size of a tournament")->capture_default_str();
  command.add_option("--max-nodes", options.max_nodes, "largest expression")->capture_default_str();
  command.add_option("--initial-depth", options.initial_depth, "of the first trees")->capture_default_str();
  command
      .add_option("--constant-iterations", options.constant_iterations,
                  "Levenberg-Marquardt steps for each new individual")
      ->capture_default_str();
  command
      .add_option("--tail-penalty", options.tail_penalty,
                  "weight of the sampled guard on extrapolation (published: 0.005)")
      ->capture_default_str();
  CLI::Option* digits =
      command.add_option("--digits", options.digits, "significant digits of constants; 0: any");
  digits->capture_default_str();
  command.add_option("--fraction-bits", options.fraction_bits, "constants are multiples of 2^-N; -1: any")
      ->excludes(digits)
      ->capture_default_str();
  command
      .add_option("--measure", options.measure, "weight: errors count as captured; count: all pairs alike")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Measure>{{"weight", Measure::kWeight}, {"count", Measure::kCount}}))
      ->default_str("weight");
  command.add_flag("--random-search", options.random_search,
                   "random trees in every generation, for comparison");
  command.add_flag("--seed-closed-forms", options.seed_closed_forms,
                   "start from the fitted closed forms too");
  command.add_option("--start", options.starts, "an expression to start from; repeatable");
  command
      .add_option("--seconds", options.seconds, "end early after so much time, not reproducible; 0: no limit")
      ->capture_default_str();
  command.add_option("--seeds", options.seeds, "independent runs for each site")->capture_default_str();
  command.add_option("--seed", options.seed, "names all random streams")->capture_default_str();
  command
      .add_option("--search-bins", options.search_bins,
                  "bins that the search looks at; fronts are judged on all")
      ->capture_default_str();
}

void add_evolve(CLI::App& app, Context& context) {
  struct Options {
    EvolveOptions search;
    Path run;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, context, "evolve", "search a scalar function for each norm site", [&context, options] {
        options->search.threads = context.threads;
        const Json json = as_json(evolve_stage(RunFolder(options->run), options->search, context.console));
        context.print(json, as_text(json));
      });
  command->add_option("run", options->run, "run folder with mappings.ngm")->required();
  command->add_option("--sites", options->search.sites, "only these sites")->delimiter(',');
  add_search_options(*command, options->search);
}

}  // namespace normgraft::cli
