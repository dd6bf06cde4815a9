#include "normgraft/quantize/quantize.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <memory>

#include "normgraft/core/require.h"
#include "normgraft/expr/expression.h"
#include "normgraft/mapping/mapping.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/first_carrier.h"
#include "normgraft/network/stream.h"
#include "vit_program.h"

namespace normgraft {
namespace {

constexpr int64_t kChoosing = 24;      ///< pictures by which grids are chosen
constexpr double kFreeChannel = 1e-4;  ///< what is not seen of the stream's own in channel 0

/// A copy with its gamma and beta folded, whose functions leave means to the readers.
Graft folded(const Graft& graft) {
  Graft own{Network(graft.network())};
  const FunctionFile file = graft.function_file();
  std::vector<std::string> sites;
  for (const auto& [site, f] : file.functions) sites.push_back(site);
  if (!sites.empty()) own.set_functions(file, sites);
  for (auto& [name, tensor] : own.network().tensors()) tensor = tensor.detach();
  for (size_t site = 0; site < own.network().sites().size(); ++site) {
    fold_norm(own.network(), site, own.drops_mean(site));
  }
  own.keep_means();
  return own;
}

void check_functions(const Graft& graft) {
  const FunctionFile file = graft.function_file();
  for (const Site& site : graft.network().sites()) {
    const auto f = file.functions.find(site.name);
    if (f == file.functions.end()) continue;
    const auto seen = file.seen.find(site.name);
    const std::string where = fmt::format("quantize: norm site \"{}\": {}", site.name, f->second.to_string());
    if (seen == file.seen.end()) {
      throw InputError(where + " has no range of x in functions.json, expected a function proved on one");
    }
    const std::string fault = why_not_admissible(f->second, seen_at_site(seen->second, site.carried));
    if (!fault.empty()) throw InputError(fmt::format("{} has no proven range: {}", where, fault));
  }
}

/// Channel 0 is r's alone.
void check_channel(const Network& network) {
  const auto check_zero = [](const std::string& name, const Tensor& part) {
    if (part.abs().max().item<double>() < kFreeChannel) return;
    throw InputError(fmt::format("quantize: tensor \"{}\" is not 0 in the channel that tells r", name));
  };
  const Tensors& tensors = network.tensors();
  for (const Site& site : network.sites()) {
    if (!site.carried.channel) continue;
    for (const LinearNames& reader : site.readers) {
      check_zero(reader.weight, tensors.at(reader.weight).select(1, 0));
    }
  }
  if (!tells_first_spread(tensors)) return;
  for (const std::string& name : network.architecture().embedding_tensors()) {
    const Tensor tensor = find_tensor(tensors, name);
    if (tensor.defined()) check_zero(name, tensor.select(name.starts_with("patch_embed") ? 0 : -1, 0));
  }
}

SeenNumbers watch(Network& network, const Tensor& images, Monitor& monitor) {
  SeenNumbers seen;
  if (tells_first_spread(network.tensors())) {
    const Tensor projections = network.tensors().at(kFirstProjections);
    const Tensor reach = over_pictures(images, [&](const Tensor& some) {
      return network.enter(some).slice(-1, 1).matmul(projections.slice(1, 1).t()).abs().amax(1);
    });
    seen.projections = reach.amax(0).to(at::kDouble);
  }
  const auto watcher = std::make_shared<RangeWatcher>();
  network.set_arithmetic(watcher);
  network.forward(images);
  monitor.check();
  monitor.progress("quantize", 1, 3, "passes");
  watcher->count();
  network.forward(images);
  monitor.check();
  monitor.progress("quantize", 2, 3, "passes");
  network.set_arithmetic(nullptr);
  seen.places = watcher->places();
  return seen;
}

}  // namespace

IntegerProgram quantize(const Graft& graft, const Precision& precision, const Tensor& images,
                        Monitor& monitor) {
  check(precision);
  require(precision.integers(), "quantize", "arithmetic", to_string(precision.kind), "w8a8 or w8a16");
  const int64_t pictures = images.defined() ? images.size(0) : 0;
  if (pictures < kFewestPictures) {
    throw InputError(fmt::format("quantize: {} pictures to choose ranges by, expected at least {}", pictures,
                                 kFewestPictures));
  }
  const at::NoGradGuard no_grad;
  const VitConfig* config = vit_config(graft.network());
  if (config == nullptr) {
    throw InputError(fmt::format("quantize: {} is no Vision Transformer, which alone is supported",
                                 graft.network().architecture().name()));
  }
  check_plain_vit(*config, graft.network());
  check_functions(graft);
  check_channel(graft.network());
  Graft own = folded(graft);
  SeenNumbers seen = watch(own.network(), images, monitor);
  const std::vector<OperandPlace> places = places_to_choose(own, *config);
  if (precision.operand_bits() == 8) {
    seen.operands =
        choose_operand_grids(own.network(), images.slice(0, 0, kChoosing), seen.places, places, monitor);
  } else {
    for (const OperandPlace& place : places) {
      seen.operands[place.name] = {full_grid(seen.places.at(place.name).seen, place.symmetric, 16), 0};
    }
  }
  IntegerProgram program = vit_program(own, *config, precision, seen);
  program.architecture = graft.network().architecture().name();
  program.class_names = graft.network().architecture().class_names();
  program.preprocessing = graft.network().preprocessing();
  Json functions = Json::object();
  for (const auto& [site, f] : graft.functions()) functions[site] = f.to_string();
  program.origin["functions"] = functions;
  program.origin["arithmetic"] = to_string(precision.kind);
  program.origin["stream"] = precision.stream_bits;
  program.origin["pictures"] = pictures;
  for (const auto& [name, operand] : seen.operands) {
    program.origin["operands"][name] = {{"bits", operand.grid.bits}, {"loss_in_8_bits", operand.loss}};
  }
  monitor.progress("quantize", 3, 3, "passes");
  return program;
}

}  // namespace normgraft
