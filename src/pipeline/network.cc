#include "network.h"

#include <fmt/format.h>

#include "normgraft/graft/yardstick.h"
#include "normgraft/vit/batches.h"
#include "normgraft/vit/stream.h"

namespace normgraft {
namespace {

constexpr int kVersion = 1;
constexpr size_t kPicturesForSinks = 64;   ///< that attention sinks are looked for in
constexpr double kMostDivergence = 1e-3;   ///< that lifting sinks may cost, in nats

Json to_json(const SinkLift& lift) {
  Json carriers = Json::array();
  for (const auto& carrier : lift.carriers) carriers.push_back({{"unit", carrier.unit}, {"mean", carrier.mean}});
  return Json{{"version", kVersion}, {"block", lift.block}, {"unit", lift.unit}, {"threshold", lift.threshold},
              {"offset", lift.offset}, {"carriers", carriers}};
}

SinkLift read_sinks(const Path& file) {
  const Json json = read_json(file, "sinks");
  try {
    const int64_t version = json.at("version");
    if (version > kVersion) {
      throw InputError(fmt::format("{}: version {} is newer than {}, the newest this program reads", file.string(), version, kVersion));
    }
    SinkLift lift{.block = json.at("block"), .unit = json.at("unit"), .threshold = json.at("threshold"), .offset = json.at("offset"), .carriers = {}};
    for (size_t i = 0; i < lift.carriers.size(); ++i) {
      const Json& carrier = json.at("carriers").at(i);
      lift.carriers[i] = {carrier.at("unit"), carrier.at("mean")};
    }
    return lift;
  } catch (const Json::exception&) {
    throw InputError(fmt::format("{}: damaged, expected what `normgraft capture` writes there", file.string()));
  }
}

}  // namespace

PreparedNetwork prepare_network(const CaptureRequest& request, std::vector<Picture> pictures, Monitor& monitor) {
  Vit vit = load_vit(request.model, request.vit, monitor);
  if (!request.prepare) return {std::move(vit), {}};
  centre_stream(vit);
  const torch::NoGradGuard no_grad;
  if (pictures.size() > kPicturesForSinks) pictures.resize(kPicturesForSinks);
  const torch::Tensor images = read_images(std::move(pictures), vit.preprocessing(), monitor);
  if (!images.defined()) throw InputError("capture: no picture could be read, expected at least one");
  const auto lift = find_sinks(vit, images);
  if (!lift) return {std::move(vit), {}};
  Vit lifted = vit;
  lift_sinks(lifted, *lift);
  const double cost = divergence(vit.forward(images), lifted.forward(images)).mean().item<double>();
  const std::string where = fmt::format("capture: attention sinks by unit {} of blocks.{}.mlp", lift->unit, lift->block);
  if (cost > kMostDivergence) {
    monitor.notice(fmt::format("{} left as they are: lifting them would cost {:.2g} nats", where, cost));
    return {std::move(vit), {}};
  }
  monitor.notice(fmt::format("{} lifted by {:.3g}, at a divergence of {:.1g} nats", where, lift->offset, cost));
  return {std::move(lifted), lift};
}

void record_sinks(const RunFolder& run, const std::optional<SinkLift>& lift) {
  if (lift) {
    write_json(run.sinks(), to_json(*lift));
  } else {
    std::filesystem::remove(run.sinks());
  }
}

Vit load_network(const RunFolder& run, const CaptureRequest& request, Monitor& monitor) {
  Vit vit = load_vit(request.model, request.vit, monitor);
  if (!request.prepare) return vit;
  centre_stream(vit);
  if (std::filesystem::exists(run.sinks())) lift_sinks(vit, read_sinks(run.sinks()));
  return vit;
}

}  // namespace normgraft
