#include "run_network.h"

#include <fmt/format.h>

#include <cmath>

#include "normgraft/calibrate/writers.h"
#include "normgraft/core/error.h"
#include "normgraft/models/model_folder.h"
#include "normgraft/network/carrier.h"
#include "normgraft/network/stream.h"
#include "pictures.h"

namespace normgraft {
namespace {

constexpr size_t kPicturesOfCapture = 256;  ///< that carriers are first fitted to

ModelOptions model_options_from(const Json& json) {
  ModelOptions options;
  if (json.contains("heads")) options.heads = json["heads"].get<int64_t>();
  if (json.contains("eps")) options.eps = json["eps"].get<double>();
  if (json.contains("activation")) options.activation = json["activation"].get<std::string>();
  if (json.contains("input_size")) options.input_size = json["input_size"].get<std::array<int64_t, 2>>();
  return options;
}

CaptureRequest capture_request(const RunFolder& run) {
  CaptureRequest request;
  request.model = run.text("capture", "model");
  request.data = run.text("capture", "data");
  const Json asked = run.asked("capture");
  request.pictures = asked.value("pictures", int64_t{0});
  request.seed = asked.value("seed", uint64_t{1});
  request.options.pairs.weights = weights_named(asked.value("weights", "none"));
  request.options.pairs.probes = asked.value("label_samples", request.options.pairs.probes);
  if (asked.contains("model_options")) request.model_options = model_options_from(asked["model_options"]);
  return request;
}

}  // namespace

Json model_options_json(const ModelOptions& options) {
  Json json = Json::object();
  if (options.heads) json["heads"] = *options.heads;
  if (options.eps) json["eps"] = *options.eps;
  if (options.activation) json["activation"] = *options.activation;
  if (options.input_size) json["input_size"] = *options.input_size;
  return json;
}

Carrier best_carrier(const Network& network) {
  if (can_free_channel(network)) return Carrier::kChannel;
  return hides_mean(network) ? Carrier::kMean : Carrier::kNone;
}

void prepare_network(Network& network, Carrier carrier, const CaptureRequest& request,
                     const std::vector<Picture>& fit, Monitor& monitor) {
  if (carrier == Carrier::kNone) return;
  if (carrier == Carrier::kChannel && !can_free_channel(network)) {
    throw InputError(fmt::format("capture: no channel of {} can be freed for a carrier, expected carrier {}",
                                 network.architecture().name(), to_string(best_carrier(network))));
  }
  const WalkImages images{walk_images(network, fit, kPicturesOfCapture, "capture", monitor), {}};
  CarrierOptions options = carrier_options(network, images);
  options.units = request.r_units;
  options.ratio = request.mean_ratio * std::sqrt(static_cast<double>(network.sites().front().channels));
  if (carrier == Carrier::kChannel) {
    let_channel_carry_scale(network, images, options, monitor);
  } else {
    let_mean_carry_scale(network, images, options, monitor);
  }
}

void record_network(const RunFolder& run, Carrier carrier, const Network& network) {
  if (carrier == Carrier::kNone) {
    std::filesystem::remove_all(run.prepared());
  } else {
    save_model(run.prepared(), network);
  }
}

Network CapturedRun::network(const RunFolder& run, Monitor& monitor) const {
  return carrier == Carrier::kNone ? load_model(request.model, request.model_options, monitor)
                                   : load_model(run.prepared(), {}, monitor);
}

CapturedRun captured_run(const RunFolder& run) {
  CapturedRun captured{capture_request(run), Carrier::kNone, {}};
  const Json carrier = run.asked("carrier");
  // Runs of versions before this word say it of the request.
  captured.carrier = carrier_named(carrier.is_string() ? carrier.get<std::string>()
                                                       : run.asked("capture").value("carrier", "none"));
  const Json split = run.asked("split");
  if (split.is_null()) {
    throw InputError(
        fmt::format("{}: no word of how the pictures are split, expected what `normgraft capture` of this "
                    "version notes there",
                    run.run_json().string()));
  }
  const CaptureRequest& request = captured.request;
  captured.pictures = split_as_recorded(
      unlabelled_pictures(request.data, request.pictures, request.seed, silent_monitor()), split);
  return captured;
}

}  // namespace normgraft
