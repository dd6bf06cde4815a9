#include <fmt/format.h>

#include <cstdlib>

#include "command.h"
#include "normgraft/data/procedural.h"
#include "normgraft/pipeline/models.h"
#include "normgraft/pipeline/pipeline.h"
#include "tables.h"

namespace normgraft::cli {
namespace {

/// The folder of the embedded model: $NORMGRAFT_EXAMPLES, else where it was built from.
Path examples_folder() {
  const char* folder = std::getenv("NORMGRAFT_EXAMPLES");
  return folder != nullptr ? Path(folder) : Path(NORMGRAFT_EXAMPLES_DIR);
}

/// Pictures a class of the procedural sets. They differ in their seed from each other and from the set that
/// the embedded model was trained on (examples/README.md).
struct PictureSet {
  const char* name;
  int64_t per_class;
  uint64_t seed;
};
constexpr PictureSet kSets[] = {{"calibration", 20, 101}, {"train", 50, 102}, {"val", 50, 103}};

}  // namespace

void add_demo(CLI::App& app, Context& context) {
  auto folder = std::make_shared<Path>("run/demo");
  CLI::App* command =
      add_command(app, context, "demo", "every stage on the embedded model and pictures", [&context, folder] {
        for (const PictureSet& set : kSets) {
          const Path root = *folder / "pictures" / set.name;
          const Path complete = *folder / "pictures" / fmt::format("{}.complete", set.name);
          if (!std::filesystem::exists(complete)) {
            write_procedural_set(root, set.per_class, set.seed, context.console);
            write_atomically(complete, "");
          }
        }
        PipelineRequest request;
        request.capture.model = examples_folder() / "shapes_vit";
        request.capture.data = *folder / "pictures" / "calibration";
        request.evolve.seeds = 2;
        request.evolve.threads = context.threads;
        RealignRequest realign;
        realign.train = *folder / "pictures" / "train";
        realign.options.threads = context.threads;
        request.realign = realign;
        request.val = *folder / "pictures" / "val";
        const RunFolder run(*folder);
        const Json accuracy = run_pipeline(run, request, context.console);

        const ModelCost cost =
            cost_of_model(run.grafted(), "flops", kDefaultAccelerator, {}, context.console);
        const AcceleratorCost& on = cost.on_accelerator.value();
        const Json seconds = run.read().at("seconds");
        const std::string costs = fmt::format(
            "norm sites, a picture: {:.2f} MFLOPs as LayerNorm, {:.2f} as functions, {:.2f} in products that "
            "tell the spread; off-chip on {}, fused: {:.2f} MB, {:.2f} MB",
            cost.layernorm.ops / 1e6, cost.graft.ops / 1e6, cost.telling_ops / 1e6, on.accelerator.name,
            at(on.layernorm.norms, Fusion::kFused).bytes / 1e6,
            at(on.graft.norms, Fusion::kFused).bytes / 1e6);
        context.print(Json{{"accuracy", accuracy}, {"seconds", seconds}, {"report", run.report().string()}},
                      accuracy_table(accuracy) + "\n" + costs + "\n" + seconds_table(seconds) +
                          "\nreport: " + run.report().string());
      });
  command->add_option("-o,--output", *folder, "run folder")->capture_default_str();
}

}  // namespace normgraft::cli
