#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "command.h"
#include "normgraft/evolve/plan.h"
#include "normgraft/pipeline/run_folder.h"
#include "normgraft/pipeline/stages.h"
#include "search_options.h"

namespace normgraft::cli {
namespace {

/// Mean of the numbers that are finite; NaN without any.
struct Mean {
  double sum = 0;
  int count = 0;

  void add(double value) {
    if (!std::isfinite(value)) return;
    sum += value;
    ++count;
  }
  double value() const { return count > 0 ? sum / count : std::nan(""); }
};

/// The point of each front that is most accurate on the pictures to choose by; sites without one are left
/// out.
Json as_json(const Fronts& fronts) {
  Json sites = Json::array();
  Mean r2, limit;
  int64_t evaluations = 0, beaten = 0;
  for (const SiteFront& site : fronts.sites) {
    if (site.front.empty()) continue;
    const FrontPoint& best = site.front[most_accurate(site.front)];
    const bool beats = beats_closed_forms(site);
    Json baselines = Json::object();
    for (const BaselinePoint& baseline : site.baselines)
      baselines[baseline.name] = number_or_null(baseline.point.held_out_r2);
    sites.push_back(Json{{"name", site.site},
                         {"ceiling", number_or_null(site.held_out_ceiling)},
                         {"r2", number_or_null(best.held_out_r2)},
                         {"fitted_r2", number_or_null(best.r2)},
                         {"plain_r2", number_or_null(best.plain_r2)},
                         {"plain_ceiling", number_or_null(site.plain_ceiling)},
                         {"effective_pairs", site.effective_pairs},
                         {"expression", best.expression.to_string()},
                         {"cost", best.cost},
                         {"front", site.front.size()},
                         {"beats_closed_forms", beats},
                         {"baselines", baselines}});
    r2.add(best.held_out_r2);
    limit.add(site.held_out_ceiling);
    evaluations += site.evaluations;
    beaten += beats;
  }
  return Json{{"sites", sites},
              {"mean_r2", number_or_null(r2.value())},
              {"mean_ceiling", number_or_null(limit.value())},
              {"beats_closed_forms", beaten},
              {"evaluations", evaluations},
              {"seconds", fronts.seconds},
              {"seed", fronts.options.seed}};
}

/// Four decimals, "-" for what is unknown.
std::string figure(const Json& value) {
  return value.is_number() ? fmt::format("{:.4f}", value.get<double>()) : "-";
}

std::string search_text(const Json& json) {
  std::string text = fmt::format("{:<18}{:>9}{:>9}{:>9}{:>9}{:>7}  {}", "site", "ceiling", "R^2", "plain",
                                 "R^2", "cost", "most accurate function");
  for (const Json& site : json["sites"]) {
    text += fmt::format("\n{:<18}{:>9}{:>9}{:>9}{:>9}{:>7.0f}  {}", site["name"].get<std::string>(),
                        figure(site["ceiling"]), figure(site["r2"]), figure(site["plain_ceiling"]),
                        figure(site["plain_r2"]), site["cost"].get<double>(),
                        site["expression"].get<std::string>());
  }
  text += fmt::format("\nevolution is nearer than every closed form at no higher cost at {} of {} sites",
                      json["beats_closed_forms"].get<int64_t>(), json["sites"].size());
  return text + fmt::format(
                    "\nmean R^2 {}, ceiling estimated at {} (pictures held out), {:.1f} s, {:.1f} million "
                    "evaluations, seed {}",
                    figure(json["mean_r2"]), figure(json["mean_ceiling"]), json["seconds"].get<double>(),
                    json["evaluations"].get<double>() / 1e6, json["seed"].get<uint64_t>());
}

/// Adds the command-line option of one option of the search.
struct AddOption {
  CLI::App& command;

  template <typename Value, typename... Range>
  void operator()(const OptionText& option, Value& value, Range...) const {
    command.add_option(flag(option), value, std::string(option.description))->capture_default_str();
  }
  void operator()(const OptionText& option, bool& value) const {
    command.add_flag(flag(option), value, std::string(option.description));
  }
  void operator()(const OptionText& option, std::vector<std::string>& values) const {
    if (option.key == "sites") return;  // an option of the command evolve alone
    command.add_option("--start", values, std::string(option.description) + "; repeatable");
  }
  void operator()(const OptionText& option, Measure& value) const {
    std::map<std::string, Measure> names;
    for (const Measure measure : {Measure::kCount, Measure::kWeight})
      names.emplace(measure_name(measure), measure);
    command.add_option(flag(option), value, std::string(option.description))
        ->transform(CLI::CheckedTransformer(std::move(names)))
        ->default_str(std::string(measure_name(value)));
  }

 private:
  static std::string flag(const OptionText& option) {
    std::string name(option.key);
    std::replace(name.begin(), name.end(), '_', '-');
    return "--" + name;
  }
};

}  // namespace

void add_search_options(CLI::App& command, EvolveOptions& options) {
  visit_options(options, AddOption{command});
  command.get_option("--fraction-bits")->excludes("--digits");
  command.get_option("--signed-digits")->excludes("--digits")->excludes("--fraction-bits");
}

void add_evolve(CLI::App& app, Context& context) {
  struct Options {
    EvolveOptions search;
    std::string constants;
    Path run;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, context, "evolve", "search a scalar function for each norm site", [&context, options] {
        options->search.threads = context.threads;
        if (!options->constants.empty()) options->search.set_grid(constant_grid(options->constants));
        const Json json = as_json(evolve_stage(RunFolder(options->run), options->search, context.console));
        context.print(json, search_text(json));
      });
  command->add_option("run", options->run, "run folder with mappings.ngm")->required();
  command->add_option("--sites", options->search.sites, "only these sites")->delimiter(',');
  add_search_options(*command, options->search);
  command
      ->add_option(
          "--constants", options->constants,
          "where constants may lie: any, digits:N, fraction:N, or csd:N, sums of N signed powers of two")
      ->excludes("--digits")
      ->excludes("--fraction-bits")
      ->excludes("--signed-digits");
}

}  // namespace normgraft::cli
