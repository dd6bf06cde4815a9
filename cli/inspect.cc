#include <fmt/format.h>
#include <fmt/ranges.h>

#include "command.h"
#include "normgraft/graft/graft.h"

namespace normgraft::cli {
namespace {

/// The shortest decimal numbers that stand for these floats.
Json decimals(const std::array<float, 3>& values) {
  Json json = Json::array();
  for (const float value : values) json.push_back(std::stod(fmt::format("{}", value)));
  return json;
}

Json describe(const Graft& graft) {
  const Vit& vit = graft.vit();
  const VitConfig& c = vit.config();
  const Preprocessing& p = vit.preprocessing();
  std::vector<std::string> sites;
  for (const NormSite& site : vit.sites()) sites.push_back(site.name);
  Json functions = Json::object();
  for (const auto& [site, f] : graft.functions()) functions[site] = f.to_string();
  return Json{{"architecture", c.architecture},
              {"parameters", vit.parameter_count()},
              {"input", {3, c.height, c.width}},
              {"patch", {c.patch_height, c.patch_width}},
              {"tokens", vit.tokens()},
              {"channels", c.channels},
              {"depth", c.depth},
              {"heads", c.heads},
              {"classes", c.classes},
              {"eps", c.eps},
              {"activation", c.activation},
              {"pooling", c.average_pool ? "average" : "token"},
              {"sites", sites},
              {"functions", functions},
              {"preprocessing",
               {{"input_size", {3, p.height, p.width}},
                {"crop_pct", p.crop_pct},
                {"crop_mode", p.crop_mode},
                {"interpolation", p.interpolation == Interpolation::kBicubic ? "bicubic" : "bilinear"},
                {"mean", decimals(p.mean)},
                {"std", decimals(p.std)}}}};
}

std::string as_text(const Json& d) {
  const Json& p = d["preprocessing"];
  return fmt::format(
      "{}: {} parameters, input {}, patch {}, N = {} tokens, D = {} channels, {} blocks, {} heads, {} "
      "classes\n"
      "LayerNorm eps {}, activation {}, pooling {}\n"
      "preprocessing: input {}, crop {} ({}), {}, mean {}, std {}\n"
      "{} norm sites, {} with a scalar function: {}",
      d["architecture"].get<std::string>(), d["parameters"].dump(), d["input"].dump(), d["patch"].dump(),
      d["tokens"].dump(), d["channels"].dump(), d["depth"].dump(), d["heads"].dump(), d["classes"].dump(),
      d["eps"].dump(), d["activation"].get<std::string>(), d["pooling"].get<std::string>(),
      p["input_size"].dump(), p["crop_pct"].dump(), p["crop_mode"].get<std::string>(),
      p["interpolation"].get<std::string>(), p["mean"].dump(), p["std"].dump(), d["sites"].size(),
      d["functions"].size(), fmt::join(d["sites"].get<std::vector<std::string>>(), ", "));
}

}  // namespace

void add_inspect(CLI::App& app, Context& context) {
  struct Options {
    Path model;
    VitOptions vit;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, context, "inspect", "architecture, parameters, norm sites, preprocessing", [&context, options] {
        const Json d = describe(load_graft(options->model, options->vit, context.console));
        context.print(d, as_text(d));
      });
  command->add_option("model", options->model, "model folder or .safetensors file")->required();
  add_vit_options(*command, options->vit);
}

}  // namespace normgraft::cli
