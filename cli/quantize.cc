#include <fmt/format.h>

#include "command.h"
#include "normgraft/pipeline/models.h"

namespace normgraft::cli {

void add_quantize(CLI::App& app, Context& context) {
  struct Options {
    QuantizeRequest request;
    int weights = 8, activations = 8;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, context, "quantize", "a network of whole numbers, without training", [&context, options] {
        QuantizeRequest& request = options->request;
        request.format.kind = options->activations == 8 ? NumberKind::kW8A8 : NumberKind::kW8A16;
        quantize_model(request, context.console);
        context.print(Json{{"folder", request.output.string()},
                           {"arithmetic", to_string(request.format.kind)},
                           {"stream", request.format.stream_bits},
                           {"factor", request.format.factor_bits}},
                      fmt::format("{}: {}", request.output.string(), to_string(request.format)));
      });
  command->add_option("model", options->request.model, "model folder, grafted or not")->required();
  command
      ->add_option("--data", options->request.data,
                   "pictures that choose the ranges: a picture folder, or a run for those it was fitted to")
      ->required();
  command->add_option("-o,--output", options->request.output, "folder to write")->required();
  command->add_option("--pictures", options->request.pictures, "how many pictures at most, drawn at random")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--weights", options->weights, "bits of the weights")
      ->check(CLI::IsMember({8}))
      ->capture_default_str();
  command->add_option("--activations", options->activations, "bits of what enters a Linear")
      ->check(CLI::IsMember({8, 16}))
      ->capture_default_str();
  command->add_option("--stream", options->request.format.stream_bits, "bits of the residual stream")
      ->check(CLI::IsMember({8, 16}))
      ->capture_default_str();
  command
      ->add_option("--factor", options->request.format.factor_bits,
                   "bits of the largest g at a site x g(r); 7 gives the smallest circuits")
      ->check(CLI::Range(6, 15))
      ->capture_default_str();
  add_model_options(*command, options->request.model_options);
}

}  // namespace normgraft::cli
