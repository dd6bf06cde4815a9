#include "normgraft/pipeline/models.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "normgraft/core/error.h"
#include "normgraft/emit/exporter.h"
#include "normgraft/graft/graft.h"
#include "normgraft/integer/program_folder.h"
#include "normgraft/network/r_units.h"
#include "normgraft/pipeline/stages.h"
#include "normgraft/quantize/arithmetic.h"
#include "pictures.h"
#include "steps_pictures.h"

namespace normgraft {
namespace {

/// The shortest decimal numbers that stand for these floats.
Json decimals(const std::array<float, 3>& values) {
  Json json = Json::array();
  for (const float value : values) json.push_back(std::stod(fmt::format("{}", value)));
  return json;
}

Carrier carrier_at(const Site& site) {
  if (site.carried.channel) return Carrier::kChannel;
  return site.carried.ratio > 0 ? Carrier::kMean : Carrier::kNone;
}

/// "blocks.3.mlp.fc1", a Linear by its module.
std::string module_of(const LinearNames& linear) {
  return linear.weight.substr(0, linear.weight.rfind('.'));
}

std::vector<SiteShape> site_shapes(const Network& network) {
  std::vector<SiteShape> shapes;
  for (const Site& site : network.sites()) shapes.push_back({site.name, site.tokens, site.channels});
  return shapes;
}

}  // namespace

Json describe_model(const Path& model, const ModelOptions& options, Monitor& monitor) {
  const Graft graft = load_graft(model, options, monitor);
  const Network& network = graft.network();
  const Preprocessing& p = network.preprocessing();
  std::vector<std::string> sites;
  Json stream = Json::object(), functions = Json::object();
  for (const Site& site : network.sites()) {
    sites.push_back(site.name);
    if (site.carried == Carried{}) continue;
    stream[site.name] = {{"carrier", to_string(carrier_at(site))},
                         {"ratio", site.carried.ratio},
                         {"blind", site.carried.blind}};
    if (site.carried.channel) {
      stream[site.name]["channel"] = {site.carried.low, site.carried.high};
      stream[site.name]["units"] = site.carried.units;
    }
  }
  for (const auto& [site, f] : graft.functions()) functions[site] = f.to_string();
  Json json{{"architecture", network.architecture().name()},
            {"parameters", network.parameter_count()},
            {"classes", network.classes()}};
  json.update(network.architecture().facts());
  json.update(Json{{"sites", sites},
                   {"stream", stream},
                   {"functions", functions},
                   {"preprocessing",
                    {{"input_size", {3, p.height, p.width}},
                     {"crop_pct", p.crop_pct},
                     {"crop_mode", p.crop_mode},
                     {"interpolation", p.interpolation == Interpolation::kBicubic ? "bicubic" : "bilinear"},
                     {"mean", decimals(p.mean)},
                     {"std", decimals(p.std)}}}});
  return json;
}

Evaluation eval_model(const EvalRequest& request, Monitor& monitor) {
  check(request.format);
  Graft model = load_graft(request.model, request.model_options, monitor);
  std::optional<Graft> teacher;
  if (request.teacher) teacher = load_graft(*request.teacher, request.model_options, monitor);
  const auto pictures =
      labelled_pictures(request.data, request.classes, request.pictures, model.network(), monitor);
  if (request.format.kind != NumberKind::kFloat32) {
    model.keep_means();
    const Tensor images = request.format.integers() ? steps_images(request.model, request.calibration,
                                                                   model.network().preprocessing(), monitor)
                                                    : Tensor();
    use_arithmetic(model.network(), request.format, images, monitor);
  }
  Loader loader = evaluation_loader(model.network(), pictures, request.batch, monitor);
  return evaluate(model, teacher ? &teacher->network() : nullptr, loader,
                  static_cast<int64_t>(pictures.size()), request.conditions, monitor);
}

ModelCost cost_of_model(const Path& model, const std::string& profile_name, const ModelOptions& options,
                        Monitor& monitor) {
  const Profile profile = load_profile(profile_name);
  const Graft graft = load_graft(model, options, monitor);
  const auto shapes = site_shapes(graft.network());
  const Functions functions = graft.functions();
  return {layernorm_cost(shapes),
          graft_cost(shapes, functions, profile),
          telling_ops(graft.network()),
          profile.name,
          profile.unit,
          shapes.size(),
          functions.size()};
}

void export_model(const Path& model, const std::string& target, const Path& folder,
                  const ModelOptions& options, Monitor& monitor) {
  const Exporter& to = exporter(target);
  if (is_integer_folder(model)) {
    throw InputError(
        fmt::format("export --to {}: {} is a network of integers, expected a grafted model, or --to c",
                    target, model.string()));
  }
  const Graft graft = load_graft(model, options, monitor);
  const Functions functions = graft.functions();
  if (functions.empty()) {
    throw InputError(fmt::format("{} has no functions.json, expected a grafted model", model.string()));
  }
  ExportTensors tensors;
  for (const auto& [name, tensor] : graft.network().tensors()) {
    tensors[name] = {tensor.sizes().vec(), {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())}};
  }
  std::map<std::string, Carried> carried;
  std::set<std::string> widened;
  for (const Site& site : graft.network().sites()) {
    carried[site.name] = site.carried;
    if (site.carried.units == 0) continue;
    widened.insert({module_of(site.writer->hidden->linear), module_of(site.writer->linear)});
  }
  to.write({functions, {}, tensors, carried, widened}, folder);
  save_graft(folder, graft);
}

CExport export_as_c(const Path& model, CWeights weights, const Path& folder) {
  if (!is_integer_folder(model)) {
    throw InputError(fmt::format("export --to c: {} is no network of integers, expected what quantize writes",
                                 model.string()));
  }
  return write_c(read_integer_folder(model), folder, weights);
}

}  // namespace normgraft
