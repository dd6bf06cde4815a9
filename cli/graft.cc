#include <fmt/format.h>

#include "command.h"
#include "graft_options.h"
#include "normgraft/pipeline/stages.h"

namespace normgraft::cli {

void add_calibrate_option(CLI::App& command, GraftRequest& request) {
  command
      .add_option_function<std::string>(
          "--calibrate",
          [&request](const std::string& name) { request.calibration = calibration_named(name); },
          "none; affine: gamma and beta, site by site; sequential: what writes the stream, then gamma, beta "
          "and "
          "constants of all sites")
      ->default_str(to_string(request.calibration));
}

void add_graft(CLI::App& app, Context& context) {
  struct Options {
    GraftRequest request;
    Path run;
  };
  auto options = std::make_shared<Options>();
  GraftRequest& request = options->request;
  CLI::App* command = add_command(
      app, context, "graft", "put the plan's functions in place of the norms", [&context, options] {
        const GraftRequest& r = options->request;
        const RunFolder run(options->run);
        const GraftResult result = graft_stage(run, r, context.console);
        const std::string folder = r.output.value_or(run.grafted()).string();
        context.print(
            Json{{"model", folder},
                 {"replaced", result.replaced},
                 {"sites", result.sites},
                 {"calibration", to_string(r.calibration)},
                 {"folded", r.fold}},
            fmt::format("{}: {} of {} norm sites replaced, calibration {}{}", folder, result.replaced,
                        result.sites, to_string(r.calibration), r.fold ? ", folded" : ""));
      });
  command->add_option("run", options->run, "run folder with plan.json")->required();
  command->add_option("-o,--output", request.output, "model folder to write (default: RUN/grafted)");
  command->add_option("--sites", request.sites, "only these sites; the others keep their norm")
      ->delimiter(',');
  add_calibrate_option(*command, request);
  command->add_flag("--fold", request.fold, "move gamma and beta into the Linear that follows");
}

void add_report(CLI::App& app, Context& context) {
  auto folder = std::make_shared<Path>();
  CLI::App* command =
      add_command(app, context, "report", "one HTML page from what a run left behind", [&context, folder] {
        const RunFolder run(*folder);
        report_stage(run);
        context.print(Json{{"report", run.report().string()}}, run.report().string());
      });
  command->add_option("run", *folder, "run folder")->required();
}

}  // namespace normgraft::cli
