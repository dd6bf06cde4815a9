#include <fmt/format.h>

#include <cmath>

#include "command.h"
#include "normgraft/pipeline/models.h"
#include "normgraft/pipeline/stages.h"
#include "realign_options.h"

namespace normgraft::cli {

void TrainingFlags::add_to(CLI::App& command) {
  CLI::Option* mode_option =
      command.add_option("--mode", mode, "constants, affine, full or distill")->capture_default_str();
  command.add_option("--recipe", recipe, "published settings: carrigg2026-a, carrigg2026-f or carrigg2026-d")
      ->excludes(mode_option);
  command.add_option("--epochs", epochs, "passes over the pictures (default 1; constants: 4)");
  command.add_option("--batch", batch, "pictures a step (default 25; constants: 16)");
  command.add_option("--rate", rate, "peak learning rate of AdamW");
  command.add_option("--r-rate", r_rate, "constants: share of the rate for what tells r");
  command.add_option("--weight-decay", weight_decay, "of matrices; constants: of the change of what tells r");
  command.add_option("--warmup", warmup, "share of the steps with a linear warm-up");
  command.add_option("--drop-path", drop_path, "stochastic depth of the last block");
  command.add_option("--temperature", temperature, "of distillation");
  command.add_option("--label-weight", label_weight,
                     "share of the cross-entropy with the labels in the loss");
  command.add_option("--hint", hint,
                     "weight of the teacher's residual stream in the loss (default 0; constants: 0.05)");
  command.add_option("--held-out", held_out, "share of the pictures kept for choosing the best epoch");
}

RealignOptions TrainingFlags::options(int threads) const {
  RealignOptions o = recipe ? realign_recipe(*recipe) : realign_defaults(realign_mode(mode));
  o.epochs = epochs.value_or(o.epochs);
  o.batch = batch.value_or(o.batch);
  o.rate = rate.value_or(o.rate);
  o.r_rate = r_rate.value_or(o.r_rate);
  o.weight_decay = weight_decay.value_or(o.weight_decay);
  o.warmup = warmup.value_or(o.warmup);
  o.drop_path = drop_path.value_or(o.drop_path);
  o.temperature = temperature.value_or(o.temperature);
  o.label_weight = label_weight.value_or(o.label_weight);
  o.hint = hint.value_or(o.hint);
  o.held_out = held_out.value_or(o.held_out);
  o.seed = seed.value_or(o.seed);
  o.threads = threads;
  o.validate();
  return o;
}

void add_realign(CLI::App& app, Context& context) {
  struct Options {
    RealignRequest request;
    TrainingFlags training;
    std::optional<Path> val;
    Path run;
  };
  auto options = std::make_shared<Options>();
  RealignRequest& request = options->request;
  CLI::App* command =
      add_command(app, context, "realign", "train a graft until it agrees again", [&context, options] {
        const RunFolder run(options->run);
        options->request.options = options->training.options(context.threads);
        const auto judge = [&](const Path& model) {
          EvalRequest eval;
          eval.model = model;
          eval.data = *options->val;
          eval.classes = options->request.classes;
          return eval_model(eval, context.console).top1.mean;
        };
        std::optional<double> before;
        if (options->val) before = judge(options->request.start.value_or(run.grafted()));
        const RealignResult result = realign_stage(run, options->request, context.console);
        const EpochMetrics& last = result.epochs.back();
        const double top1_before = before.value_or(result.before.top1);
        const double top1_after =
            options->val ? judge(options->request.output.value_or(run.realigned())) : result.after.top1;
        const std::string judged_on = options->val
                                          ? options->val->string()
                                          : fmt::format("{} training pictures left out", result.reported);
        const auto known = [&](double value) {
          const bool judged = std::isfinite(value) && (options->val || result.reported > 0);
          return judged ? Json(value) : Json();
        };
        const auto percent = [&](double value) {
          const Json json = known(value);
          return json.is_null() ? "not judged" : fmt::format("{:.2f} %", 100 * value);
        };
        const bool labels = needs_labels(options->request.options);
        const std::string gain =
            fmt::format("{} {} before, {} after ({})", labels ? "top-1" : "agreement",
                        percent(labels ? top1_before : result.before.agreement),
                        percent(labels ? top1_after : result.after.agreement), judged_on);
        context.print(Json{{"top1_before", known(top1_before)},
                           {"top1_after", known(top1_after)},
                           {"agreement_before", known(result.before.agreement)},
                           {"agreement_after", known(result.after.agreement)},
                           {"loss_before", known(result.before.loss)},
                           {"loss_after", known(result.after.loss)},
                           {"epochs", last.epoch},
                           {"best_epoch", result.best_epoch},
                           {"steps_per_epoch", last.steps},
                           {"images_per_second", last.images_per_second},
                           {"reported", result.reported},
                           {"judged_on", options->val ? "val" : "left out"}},
                      fmt::format("{}; {} epochs of {} steps, best epoch {}, {:.1f} images/s", gain,
                                  last.epoch, last.steps, result.best_epoch, last.images_per_second));
      });
  command->add_option("run", options->run, "run folder with a grafted model")->required();
  command
      ->add_option("--train", request.train,
                   "pictures (tree, tar shards, list), with labels unless the mode is constants")
      ->required();
  command->add_option("--val", options->val, "pictures (tree, tar shards, list) to report top-1 on");
  command->add_option("--classes", request.classes,
                      "CSV with class_index and wnid, for trees of some classes only");
  command->add_option("--pictures", request.pictures, "how many training pictures, drawn at random; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--from", request.start, "graft to begin with (default: RUN/grafted)");
  command->add_option("-o,--output", request.output, "folder to write (default: RUN/realigned)");
  command->add_flag("--restart", request.restart,
                    "replace a training of other options or pictures found there");
  options->training.add_to(*command);
  command->add_option("--seed", options->training.seed, "of order, augmentation and what is held out");
}

}  // namespace normgraft::cli
