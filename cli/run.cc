#include <fmt/format.h>

#include "capture_options.h"
#include "command.h"
#include "graft_options.h"
#include "normgraft/pipeline/pipeline.h"
#include "realign_options.h"
#include "search_options.h"
#include "select_options.h"
#include "tables.h"

namespace normgraft::cli {

void add_run(CLI::App& app, Context& context) {
  struct Options {
    PipelineRequest request;
    TrainingFlags training;
    std::optional<Path> train;
    int64_t constants_epochs = 0;
    int64_t train_pictures = 0;
    Path run;
  };
  auto options = std::make_shared<Options>();
  PipelineRequest& request = options->request;
  CLI::App* command =
      add_command(app, context, "run", "every stage from checkpoint to report; resumes", [&context, options] {
        PipelineRequest& r = options->request;
        r.evolve.threads = context.threads;
        r.capture.seed = r.evolve.seed;
        if (options->train) {
          RealignRequest realign;
          realign.train = *options->train;
          realign.classes = r.classes;
          realign.pictures = options->train_pictures;
          realign.options = options->training.options(context.threads);
          realign.options.seed = r.evolve.seed;
          r.realign = realign;
        }
        if (options->constants_epochs > 0) {
          r.constants = realign_defaults(RealignMode::kConstants);
          r.constants->epochs = options->constants_epochs;
          r.constants->seed = r.evolve.seed;
          r.constants->threads = context.threads;
        }
        const RunFolder run(options->run);
        const Json accuracy = run_pipeline(run, r, context.console);
        const Json seconds = run.read().at("seconds");
        context.print(
            Json{{"accuracy", accuracy}, {"seconds", seconds}, {"report", run.report().string()}},
            accuracy_table(accuracy) + "\n" + seconds_table(seconds) + "\n" + run.report().string());
      });
  command->add_option("model", request.capture.model, "model folder or .safetensors file")->required();
  command
      ->add_option("--data", request.capture.data,
                   "calibration pictures: an ImageFolder tree, tar shards or a list")
      ->required();
  command->add_option("-o,--output", options->run, "run folder")->required();
  command->add_option("--pictures", request.capture.pictures, "how many calibration pictures; 0: all")
      ->check(CLI::NonNegativeNumber);
  add_capture_options(*command, request.capture);
  add_select_options(*command, request.select, "--budget-profile");
  add_calibrate_option(*command, request.graft);
  command
      ->add_option("--constants", options->constants_epochs,
                   "epochs of realign --mode constants on the calibration pictures, without labels; 0: none")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--staircase", request.staircase,
                    "judge every step: plain, weighted, selected, calibrated, constants; also under halved "
                    "contrast and blur");
  command->add_option("--train", options->train,
                      "training pictures with labels; without them there is no re-alignment");
  command->add_option("--train-pictures", options->train_pictures, "how many of them; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--val", request.val, "pictures with labels to judge each stage on");
  command->add_option("--classes", request.classes,
                      "CSV with class_index and wnid, for trees of some classes only");
  add_model_options(*command, request.capture.model_options);
  add_search_options(*command->add_option_group("search", "options of evolve"), request.evolve);
  options->training.add_to(*command->add_option_group("training", "options of realign"));
}

}  // namespace normgraft::cli
