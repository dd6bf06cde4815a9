#include "normgraft/pipeline/models.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "integer_models.h"
#include "network_work.h"
#include "normgraft/core/error.h"
#include "normgraft/emit/exporter.h"
#include "normgraft/graft/graft.h"
#include "normgraft/integer/program_folder.h"
#include "normgraft/network/r_units.h"
#include "normgraft/pipeline/stages.h"
#include "normgraft/quantize/arithmetic.h"
#include "normgraft/quantize/quantize.h"
#include "pictures.h"
#include "steps_pictures.h"
#include "units.h"

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

/// A network, or a program of whole numbers.
struct LoadedModel {
  std::optional<Graft> graft;
  std::optional<IntegerProgram> program;

  Classifier classifier() const {
    return graft ? normgraft::classifier(graft->network()) : classifier_of(*program);
  }
  JudgedModel judged() const { return graft ? normgraft::judged(*graft) : judged_program(*program); }
  /// In the arithmetic that a request asks for; whole numbers have their own.
  JudgedModel judged_in(const EvalRequest& request, Monitor& monitor) const {
    if (request.units) return judged_with_units(request);
    if (request.format.kind == NumberKind::kFloat32) return judged();
    if (program) {
      throw InputError(fmt::format("eval: {} computes in whole numbers of its own, expected no --arithmetic",
                                   request.model.string()));
    }
    Tensor images;
    if (request.format.integers()) {
      images = steps_images(request.model, request.calibration, graft->network().preprocessing(), monitor);
      const std::string fault = why_not_whole(*graft, images.size(0));
      if (fault.empty()) return judged_program(quantize(*graft, request.format, images, monitor));
      monitor.notice(fmt::format("arithmetic: floats rounded in place of whole numbers: {}", fault));
    }
    Graft rounded = copy_of(*graft);
    rounded.keep_means();
    use_arithmetic(rounded.network(), request.format, images, monitor);
    return normgraft::judged(rounded);
  }

 private:
  /// Functions as their circuits compute them.
  JudgedModel judged_with_units(const EvalRequest& request) const {
    if (!graft || request.format.kind != NumberKind::kFloat32)
      throw InputError("eval --units: expected a model of floats, without --arithmetic");
    const std::vector<PlacedCircuit> units = units_of(*graft, "eval --units", *request.units);
    if (units.empty())
      throw InputError(
          fmt::format("eval --units: {} has no functions, expected a grafted model", request.model.string()));
    Graft result = copy_of(*graft);
    for (const auto& [site, circuit] : units) result.use_circuit(site, circuit);
    return normgraft::judged(result);
  }
};

LoadedModel load(const Path& path, const ModelOptions& options, Monitor& monitor) {
  if (is_integer_folder(path)) return {{}, read_integer_folder(path)};
  return {load_graft(path, options, monitor), {}};
}

std::vector<SiteShape> site_shapes(const Network& network) {
  std::vector<SiteShape> shapes;
  for (const Site& site : network.sites()) shapes.push_back({site.name, site.tokens, site.channels});
  return shapes;
}

}  // namespace

Json describe_model(const Path& model, const ModelOptions& options, Monitor& monitor) {
  if (is_integer_folder(model)) return describe_program(read_integer_folder(model));
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
  const LoadedModel model = load(request.model, request.model_options, monitor);
  std::optional<LoadedModel> teacher;
  if (request.teacher) teacher = load(*request.teacher, request.model_options, monitor);
  const auto pictures =
      labelled_pictures(request.data, request.classes, request.pictures, model.classifier(), monitor);
  const JudgedModel judge = model.judged_in(request, monitor);
  const std::optional<JudgedModel> by = teacher ? std::optional(teacher->judged()) : std::nullopt;
  Loader loader = evaluation_loader(judge.preprocessing, pictures, request.batch, monitor);
  return evaluate(judge, by ? &*by : nullptr, loader, static_cast<int64_t>(pictures.size()),
                  request.conditions, monitor);
}

bool is_integer_model(const Path& model) {
  return is_integer_folder(model);
}

ProgramOperations operations_of_model(const Path& model) {
  return sum_operations(read_integer_folder(model));
}

ModelCost cost_of_model(const Path& model, const std::string& profile_name,
                        const std::optional<std::string>& accelerator, const ModelOptions& options,
                        Monitor& monitor) {
  const Profile profile = load_profile(profile_name);
  if (profile.of_circuits()) {
    throw InputError(fmt::format(
        "cost --profile {}: it prices circuits, expected a profile of operations, which cost counts",
        profile_name));
  }
  std::optional<Accelerator> on;
  if (accelerator) on = load_accelerator(*accelerator);
  if (is_integer_folder(model)) {
    throw InputError(
        fmt::format("cost: {} is a network of integers, expected a model of floats", model.string()));
  }
  const Graft graft = load_graft(model, options, monitor);
  const auto shapes = site_shapes(graft.network());
  const Functions functions = graft.functions();
  ModelCost cost{layernorm_cost(shapes),
                 graft_cost(shapes, functions, profile),
                 telling_ops(graft.network()),
                 profile.name,
                 profile.unit,
                 shapes.size(),
                 functions.size()};
  if (on) cost.on_accelerator = cost_on(*on, graft);
  return cost;
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

std::vector<VerilogUnit> export_as_verilog(const Path& model, const UnitPrecision& precision,
                                           const Path& folder, const ModelOptions& options,
                                           Monitor& monitor) {
  if (is_integer_folder(model)) return write_verilog(read_integer_folder(model), folder);
  const Graft graft = load_graft(model, options, monitor);
  const std::vector<PlacedCircuit> circuits = units_of(graft, "export --to verilog", precision);
  if (circuits.empty()) {
    throw InputError(
        fmt::format("export --to verilog: {} has no functions.json, expected a grafted model, or a "
                    "network of integers, which quantize writes",
                    model.string()));
  }
  return write_verilog(circuits, graft.network().sites().back().channels, folder);
}

void quantize_model(const QuantizeRequest& request, Monitor& monitor) {
  check(request.format);
  const Graft graft = load_graft(request.model, request.model_options, monitor);
  const Tensor images =
      steps_images(request.model, request.data, graft.network().preprocessing(), monitor, request.pictures);
  const IntegerProgram program = quantize(graft, request.format, images, monitor);
  check(program);
  prove_no_overflow(program);
  write_integer_folder(request.output, program);
}

}  // namespace normgraft
