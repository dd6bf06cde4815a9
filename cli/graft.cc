#include <fmt/format.h>
#include <fmt/ranges.h>

#include "command.h"
#include "normgraft/emit/exporter.h"
#include "normgraft/pipeline/stages.h"
#include "normgraft/vit/safetensors.h"

namespace normgraft::cli {
namespace {

/// The tensors as an exporter sees them; they stay the owner's.
ExportTensors export_tensors(const Tensors& tensors) {
  ExportTensors exported;
  for (const auto& [name, t] : tensors)
    exported[name] = {t.sizes().vec(), {t.data_ptr<float>(), static_cast<size_t>(t.numel())}};
  return exported;
}

/// "torch: a PyTorch file", one exporter after another.
std::string export_targets() {
  std::vector<std::string> targets;
  for (const Exporter* each : exporters())
    targets.push_back(fmt::format("{}: {}", each->name(), each->description()));
  return fmt::format("{}", fmt::join(targets, "; "));
}

}  // namespace

void add_graft(CLI::App& app, Context& context) {
  struct Options {
    GraftRequest request;
    Path run;
  };
  auto options = std::make_shared<Options>();
  GraftRequest& request = options->request;
  CLI::App* command = add_command(
      app, context, "graft", "put the plan's functions in place of LayerNorm", [&context, options] {
        const RunFolder run(options->run);
        const Graft graft = graft_stage(run, options->request, context.console);
        const std::string folder = options->request.output.value_or(run.grafted()).string();
        const size_t replaced = graft.functions().size();
        const size_t sites = graft.vit().sites().size();
        context.print(
            Json{{"model", folder},
                 {"replaced", replaced},
                 {"sites", sites},
                 {"calibration", options->request.calibration},
                 {"folded", options->request.fold}},
            fmt::format("{}: {} of {} norm sites replaced, calibration {}{}", folder, replaced, sites,
                        options->request.calibration, options->request.fold ? ", folded" : ""));
      });
  command->add_option("run", options->run, "run folder with plan.json")->required();
  command->add_option("-o,--output", request.output, "model folder to write (default: RUN/grafted)");
  command->add_option("--sites", request.sites, "only these sites; the others keep LayerNorm")
      ->delimiter(',');
  command
      ->add_option("--calibrate", request.calibration,
                   "none; affine: gamma and beta, site by site; sequential: what writes the stream, then "
                   "gamma, beta and constants of all sites")
      ->capture_default_str();
  command->add_flag("--fold", request.fold, "move gamma and beta into the Linear that follows");
}

void add_export(CLI::App& app, Context& context) {
  struct Options {
    Path model, output;
    std::string target = "torch";
    VitOptions vit;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, context, "export", "write a graft for deployment", [&context, options] {
        const Exporter& target = exporter(options->target);
        const Graft graft = load_graft(options->model, options->vit, context.console);
        if (graft.functions().empty()) {
          throw InputError(
              fmt::format("{} has no functions.json, expected a grafted model", options->model.string()));
        }
        save_graft(options->output, graft);
        const Tensors tensors = read_safetensors(options->output / "model.safetensors");
        target.write({graft.functions(), {}, export_tensors(tensors)}, options->output);
        context.print(Json{{"target", options->target}, {"folder", options->output.string()}},
                      fmt::format("{}: {}, beside model.safetensors, config.json, functions.json",
                                  options->output.string(), target.description()));
      });
  command->add_option("model", options->model, "grafted model folder")->required();
  command->add_option("--to", options->target, export_targets())->capture_default_str();
  command->add_option("-o,--output", options->output, "folder to write")->required();
  add_vit_options(*command, options->vit);
}

void add_cost(CLI::App& app, Context& context) {
  struct Options {
    Path model;
    std::string profile = "flops";
    VitOptions vit;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, context, "cost", "arithmetic, traffic and energy of all norm sites, for one picture",
      [&context, options] {
        const Profile profile = load_profile(options->profile);
        const Graft graft = load_graft(options->model, options->vit, context.console);
        const auto shapes = site_shapes(graft.vit());
        const auto as_json = [](const NormCost& c) {
          return Json{{"ops", c.ops}, {"bytes", c.bytes}, {"energy_pj", c.energy_pj}};
        };
        const NormCost before = layernorm_cost(shapes);
        const NormCost after = graft_cost(shapes, graft.functions(), profile);
        const auto row = [](const char* name, const NormCost& c) {
          return fmt::format("{:<12}{:>14.3f}{:>14.3f}{:>14.3f}", name, c.ops / 1e6, c.bytes / 1e6,
                             c.energy_pj / 1e6);
        };
        context.print(Json{{"layernorm", as_json(before)},
                           {"graft", as_json(after)},
                           {"profile", profile.name},
                           {"unit", profile.unit},
                           {"sites", shapes.size()},
                           {"replaced", graft.functions().size()}},
                      fmt::format("{:<12}{:>14}{:>14}{:>14}\n{}\n{}", "per picture", "M" + profile.unit,
                                  "MB off-chip", "uJ", row("LayerNorm", before), row("graft", after)));
      });
  command->add_option("model", options->model, "model folder, grafted or not")->required();
  command->add_option("--profile", options->profile, "flops, or a JSON file")->capture_default_str();
  add_vit_options(*command, options->vit);
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
