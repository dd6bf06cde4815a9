#include <fmt/format.h>

#include "capture_options.h"
#include "command.h"
#include "normgraft/pipeline/stages.h"

namespace normgraft::cli {
namespace {

Json as_json(const Mappings& mappings) {
  Json sites = Json::array();
  for (const SiteMapping& site : mappings.sites) {
    sites.push_back(Json{{"name", site.name},
                         {"pictures", site.pictures},
                         {"tokens", site.tokens},
                         {"channels", site.channels},
                         {"pairs", site.pictures * site.pairs()},
                         {"bins", site.bin_count()},
                         {"range", {site.range().low, site.range().high}},
                         {"ceiling", ceiling(site, Measure::kCount, Part::kAll)},
                         {"weighted_ceiling", ceiling(site, Measure::kWeight, Part::kAll)},
                         {"effective_pairs", effective_pairs(site, Measure::kWeight, Part::kAll)}});
  }
  return Json{{"model", mappings.model}, {"sites", sites}};
}

std::string as_text(const Json& json) {
  std::string text = fmt::format("{:<18}{:>12}{:>12}{:>7}{:>22}{:>10}{:>10}", "site", "pairs", "effective",
                                 "bins", "range of x", "ceiling", "weighted");
  for (const Json& site : json["sites"]) {
    text += fmt::format(
        "\n{:<18}{:>12}{:>12.0f}{:>7}{:>22}{:>10.4f}{:>10.4f}", site["name"].get<std::string>(),
        site["pairs"].get<int64_t>(), site["effective_pairs"].get<double>(), site["bins"].get<int64_t>(),
        fmt::format("{:.2f} .. {:.2f}", site["range"][0].get<double>(), site["range"][1].get<double>()),
        site["ceiling"].get<double>(), site["weighted_ceiling"].get<double>());
  }
  return text;
}

}  // namespace

void add_capture_options(CLI::App& command, CaptureRequest& request) {
  command.add_option("--bins", request.options.bins, "bins of x for each site")->capture_default_str();
  command
      .add_option_function<std::string>(
          "--weights",
          [&request](const std::string& name) { request.options.pairs.weights = weights_named(name); },
          "fisher: pairs weigh what their error costs the network; none: all alike")
      ->default_str(to_string(request.options.pairs.weights));
  command
      .add_option("--label-samples", request.options.pairs.probes,
                  "gradients drawn for each picture from the model's own prediction")
      ->capture_default_str();
  command
      .add_option_function<std::string>(
          "--carrier", [&request](const std::string& name) { request.carrier = carrier_named(name); },
          "channel: a channel of the stream tells the spread of a token; mean: the mean of the token does; "
          "none: the stream stays as it is")
      ->default_str("the first of these that the model allows");
  command
      .add_option("--mean-ratio", request.mean_ratio,
                  "with a mean: that mean over the spread, in roots of the number of channels")
      ->capture_default_str();
  command
      .add_option("--r-units", request.r_units,
                  "with a channel: hidden units of each MLP that help to tell the spread")
      ->default_str("a forty-eighth of those it has");
}

void add_capture(CLI::App& app, Context& context) {
  struct Options {
    CaptureRequest request;
    Path run;
  };
  auto options = std::make_shared<Options>();
  CaptureRequest& request = options->request;
  CLI::App* command = add_command(
      app, context, "capture", "record what each LayerNorm does to its input", [&context, options] {
        const Json json = as_json(capture_stage(RunFolder(options->run), options->request, context.console));
        context.print(json, as_text(json));
      });
  command->add_option("model", request.model, "model folder or .safetensors file")->required();
  command->add_option("--data", request.data, "ImageFolder tree, tar shards or a list; labels are not used")
      ->required();
  command->add_option("-o,--output", options->run, "run folder")->required();
  command->add_option("--pictures", request.pictures, "how many pictures, drawn at random; 0: all")
      ->check(CLI::NonNegativeNumber);
  add_capture_options(*command, request);
  command->add_option("--seed", request.seed, "of the order of pictures")->capture_default_str();
  add_model_options(*command, request.model_options);
}

}  // namespace normgraft::cli
