#include "normgraft/quantize/quantize.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <memory>

#include "equalise.h"
#include "normgraft/core/require.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/first_carrier.h"
#include "vit_program.h"

namespace normgraft {
namespace {

constexpr int64_t kChoosing = 32;  ///< pictures by which grids are chosen

/// How far the numbers of each place reach, not yet counted.
std::shared_ptr<RangeWatcher> ranges_of(Network& network, const Tensor& images) {
  auto watcher = std::make_shared<RangeWatcher>();
  network.set_arithmetic(watcher);
  network.forward(images);
  network.set_arithmetic(nullptr);
  return watcher;
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
  const std::shared_ptr<RangeWatcher> watcher = ranges_of(network, images);
  monitor.check();
  monitor.progress("quantize", 1, 3, "passes");
  watcher->count();
  network.set_arithmetic(watcher);
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
  const at::NoGradGuard no_grad;
  const std::string fault = why_not_whole(graft, pictures);
  if (!fault.empty()) throw InputError("quantize: " + fault);
  const VitConfig* config = vit_config(graft.network());
  Graft own = folded_copy(graft);
  Tensor scales;
  if (can_equalise(own.network())) {
    scales = equalise(own.network(), ranges_of(own.network(), images)->places(), precision.stream_bits);
  }
  SeenNumbers seen = watch(own.network(), images, monitor);
  const std::vector<OperandPlace> places = places_to_choose(own, *config);
  if (precision.operand_bits() == 8) {
    seen.operands =
        choose_operand_grids(own.network(), images.slice(0, 0, kChoosing), seen.places, places, monitor);
  } else {
    for (const OperandPlace& place : places) {
      seen.operands[place.name] = {full_grid(seen.places.at(place.name).seen, place.symmetric, 16)};
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
  program.origin["factor"] = precision.factor_bits;
  program.origin["pictures"] = pictures;
  if (scales.defined()) {
    program.origin["channel_scales"] =
        std::vector<double>(scales.data_ptr<double>(), scales.data_ptr<double>() + scales.numel());
  }
  for (const auto& [name, operand] : seen.operands) {
    const int64_t far = operand.far.defined() ? operand.far.numel() : 0;
    program.origin["operands"][name] = {
        {"bits", operand.grid.bits}, {"loss_in_8_bits", operand.loss}, {"far", far}};
  }
  monitor.progress("quantize", 3, 3, "passes");
  return program;
}

}  // namespace normgraft
