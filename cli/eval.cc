#include <fmt/format.h>
#include <fmt/ranges.h>

#include "command.h"
#include "normgraft/pipeline/models.h"

namespace normgraft::cli {
namespace {

std::string percent(const Estimate& e) {
  return fmt::format("{:.2f} % [{:.2f}, {:.2f}]", 100 * e.mean, 100 * e.low, 100 * e.high);
}

std::string as_lines(const Judgement& j) {
  std::string text = fmt::format("\ntop-1     {}\ntop-5     {}", percent(j.top1), percent(j.top5));
  if (j.agreement) text += fmt::format("\nagreement {}", percent(*j.agreement));
  if (j.kl)
    text += fmt::format("\nKL        {:.4f} [{:.4f}, {:.4f}] nats", j.kl->mean, j.kl->low, j.kl->high);
  if (!j.r_range.empty()) text += "\n" + to_string(j.r_range);
  return text;
}

std::string as_text(const Evaluation& e, const Precision& format) {
  std::string text = fmt::format("{} pictures, {:.1f} images/s (network alone), {}", e.images,
                                 e.images_per_second, to_string(format));
  text += as_lines(e);
  for (const auto& [condition, judgement] : e.under) {
    text += fmt::format("\n\nunder {}", to_string(condition)) + as_lines(judgement);
  }
  return text + "\n[95 % bootstrap intervals over pictures]";
}

}  // namespace

void add_eval(CLI::App& app, Context& context) {
  auto request = std::make_shared<EvalRequest>();
  auto stream_bits = std::make_shared<std::optional<int>>();
  auto unit_error = std::make_shared<std::optional<double>>();
  const auto work = [&context, request, stream_bits, unit_error] {
    if (stream_bits->has_value()) {
      request->format.stream_bits = **stream_bits;
      if (!request->format.integers()) {
        context.console.notice(fmt::format("eval: --stream {} is not used, {} has no integers", **stream_bits,
                                           to_string(request->format.kind)));
      }
    }
    if (unit_error->has_value()) {
      if (!request->units) throw InputError("eval --most-error: expected --units, whose error it is");
      request->units->most_error = **unit_error;
    }
    const Evaluation evaluation = eval_model(*request, context.console);
    Json json = to_json(evaluation);
    json["arithmetic"] = to_string(request->format.kind);
    if (request->format.integers()) json["stream"] = request->format.stream_bits;
    if (request->units) {
      json["units"] = request->units->y_bits;
      json["most_error"] = request->units->most_error;
    }
    context.print(json, as_text(evaluation, request->format));
  };
  CLI::App* command =
      add_command(app, context, "eval", "accuracy of a model, and its distance to a teacher", work);
  command->add_option("model", request->model, "model folder or .safetensors file")->required();
  command
      ->add_option("--data", request->data, "pictures with labels: an ImageFolder tree, tar shards or a list")
      ->required();
  command->add_option("--classes", request->classes,
                      "CSV with class_index and wnid, for a tree of some classes only");
  command->add_option("--teacher", request->teacher, "model to compare with: adds agreement and KL");
  command->add_option("--pictures", request->pictures, "how many pictures, drawn at random; 0: all")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option_function<std::vector<std::string>>(
          "--under",
          [request](const std::vector<std::string>& names) {
            for (const std::string& name : names) request->conditions.push_back(condition_named(name));
          },
          "judge also under these: contrast (halved), blur")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option_function<std::string>(
          "--arithmetic",
          [request](const std::string& name) { request->format.kind = number_kind_named(name); },
          fmt::format("numbers that the model computes in: {}", fmt::join(number_kind_names(), ", ")))
      ->default_str("float32");
  command->add_option("--stream", *stream_bits, "bits of the residual stream, of integers")
      ->check(CLI::IsMember({8, 16}))
      ->default_str("16");
  command->add_option(
      "--calibration", request->calibration,
      "pictures that choose the steps of integers: a picture folder, or a run for those it was "
      "fitted to (default: the run that MODEL lies in, else drawn pictures)");
  command
      ->add_option_function<int>(
          "--units", [request](int bits) { request->units = UnitPrecision{.y_bits = bits}; },
          "functions as their units compute them (export --to verilog), all else in float32; bits of y, "
          "8 to 16")
      ->check(CLI::Range(8, 16));
  command
      ->add_option("--most-error", *unit_error,
                   "with --units: of a unit, in steps of y, beyond rounding (default 0.5)")
      ->check(CLI::Range(0.001, 100.0));
  command->add_option("--batch", request->batch, "pictures a batch")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  add_model_options(*command, request->model_options);
}

}  // namespace normgraft::cli
