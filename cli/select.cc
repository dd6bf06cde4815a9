#include <fmt/format.h>

#include "command.h"
#include "select_options.h"

namespace normgraft::cli {
namespace {

constexpr int kKeptSites = 4;  ///< that --keep auto looks for

std::string point_line(const std::string& name, const Json& point, const std::string& unit) {
  return fmt::format("\n{:<14}{:>12.4g} {}{:>12.4f}{:>12.4f}", name, point["cost"].get<double>(), unit,
                     point["predicted"].get<double>(), point["measured"].get<double>());
}

/// The budget-loss curve of choice.json.
std::string choice_text(const Json& choice) {
  const std::string unit = choice["unit"];
  std::string text = fmt::format("{:<14}{:>12}{}{:>12}{:>12}", "", "cost", std::string(unit.size() + 1, ' '),
                                 "predicted", "measured");
  for (const Json& point : choice["curve"]) text += point_line("curve", point, unit);
  for (const auto& [name, key] :
       {std::pair{"knee", "knee"}, {"min-error", "min_error"}, {"this plan", "plan"}})
    if (!choice[key].is_null()) text += point_line(name, choice[key], unit);
  if (choice["rank_correlation"].is_number()) {
    text += fmt::format("\nrank correlation of prediction and measurement along the curve: {:.3f}",
                        choice["rank_correlation"].get<double>());
  }
  for (const Json& kept : choice["keep"]) {
    text += fmt::format("\nLayerNorm kept at {} as well: {:.4f}", kept["site"].get<std::string>(),
                        kept["measured"].get<double>());
  }
  return text +
         fmt::format("\nKL(teacher || graft) in nats over {} calibration pictures that nothing is fitted on",
                     choice["pictures"].get<int64_t>());
}

std::string nearness_text(const Nearness& nearness) {
  return fmt::format("{} loss {:.4g} {} at a cost of {:.4g} {}; the best plan {:.4g} at {:.4g}",
                     nearness.measured ? "measured" : "predicted", nearness.loss, nearness.unit,
                     nearness.cost, nearness.cost_unit, nearness.least_loss, nearness.cost_of_least_loss);
}

}  // namespace

void add_select_options(CLI::App& command, SelectRequest& request, const std::string& profile_flag) {
  command
      .add_option("--strategy", request.strategy,
                  "within: the cheapest plan near the best; budget: for the whole network, as measured; knee "
                  "or min-error: site by site; shape:NAME: one closed form everywhere")
      ->capture_default_str();
  command
      .add_option(
          "--within", request.within,
          "most nats that the plan loses beyond the best one, both measured before calibration; with within")
      ->capture_default_str();
  command.add_option("--budget", request.options.budget,
                     "most cost of all sites for one picture, or area of their units, in the unit of " +
                         profile_flag + "; with budget");
  command.add_option(
      profile_flag, request.profile,
      "what the budget counts: flops, ice40 or ecp5 (area of circuits), or a JSON file; default: what the "
      "search counted");
  command
      .add_option("--trials", request.options.trials,
                  "plans measured in the search about the best; with budget")
      ->capture_default_str();
  command
      .add_option_function<std::string>(
          "--keep",
          [&request](const std::string& keep) { request.options.keep = keep == "auto" ? kKeptSites : 0; },
          "auto: show what keeping LayerNorm at some sites would buy; with budget")
      ->check(CLI::IsMember({"none", "auto"}));
}

void add_select(CLI::App& app, Context& context) {
  struct Options {
    Path run;
    SelectRequest request;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, context, "select", "choose one function for each site", [&context, options] {
        const RunFolder run(options->run);
        const Plan plan = select_stage(run, options->request, context.console);
        std::string text = fmt::format("{:<18}{:>9}{:>7}  {}", "site", "R^2", "cost", "function");
        for (const PlanEntry& entry : plan.entries) {
          text += fmt::format("\n{:<18}{:>9.4f}{:>7.0f}  {}", entry.site, entry.held_out_r2, entry.cost,
                              entry.expression.to_string());
        }
        if (plan.nearness) text += "\n" + nearness_text(*plan.nearness);
        Json json = to_json(plan);
        if (options->request.strategy == "budget") {
          json["choice"] = read_json(run.choice(), "choice");
          text += "\n" + choice_text(json["choice"]);
        }
        context.print(json, text);
      });
  command->add_option("run", options->run, "run folder with fronts.json")->required();
  add_select_options(*command, options->request);
}

}  // namespace normgraft::cli
