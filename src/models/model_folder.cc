#include "normgraft/models/model_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "family.h"
#include "hugging_face.h"
#include "normgraft/core/error.h"
#include "normgraft/core/json_place.h"
#include "normgraft/expr/expression_json.h"
#include "normgraft/network/first_carrier.h"
#include "normgraft/network/r_units.h"
#include "normgraft/network/safetensors.h"
#include "weights.h"

namespace normgraft {
namespace {

constexpr int kStreamVersion = 2;
constexpr int64_t kMostUnits = 1 << 20;  ///< of r, at a site
/// Left before every name by wrappers: DistributedDataParallel, torch.compile, Lightning and the like.
constexpr std::array kPrefixes = {"module.", "_orig_mod.", "model."};

/// Takes off the prefixes that all tensors share.
void take_off_prefixes(Checkpoint& checkpoint, Monitor& monitor) {
  std::string taken;
  const auto shared = [&](std::string_view prefix) {
    return std::all_of(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                       [&](const auto& entry) { return entry.first.starts_with(prefix); });
  };
  for (auto prefix = kPrefixes.begin(); prefix != kPrefixes.end();) {
    if (checkpoint.tensors.empty() || !shared(*prefix)) {
      ++prefix;
      continue;
    }
    Tensors renamed;
    for (const auto& [name, tensor] : checkpoint.tensors) {
      renamed.emplace(name.substr(std::string_view(*prefix).size()), tensor);
    }
    checkpoint.tensors = std::move(renamed);
    taken += *prefix;
    prefix = kPrefixes.begin();
  }
  if (taken.empty()) return;
  monitor.notice(fmt::format("checkpoint {}: the prefix \"{}\" is taken off all tensors' names",
                             checkpoint.weights.string(), taken));
}

/// What the stream carries, as the config says it.
void read_stream(const Path& path, const Json& config, Network& network) {
  const auto stream = JsonPlace(config, "config " + path.string()).find("stream");
  if (!stream) return;
  stream->check_version(kStreamVersion);
  for (const auto& [name, site] : (*stream)["sites"].members()) {
    const double ratio = site["ratio"].number();
    if (ratio < 0) site.fail("ratio is negative, expected 0 or more");
    Carried carried{.blind = site["blind"].boolean(), .ratio = ratio};
    if (const auto range = site.find("channel")) {
      const Interval within = interval_at(*range);
      carried.channel = true;
      carried.low = within.low;
      carried.high = within.high;
      if (const auto units = site.find("units")) carried.units = units->integer(0, kMostUnits);
    }
    network.set_carried(network.site_named(name), carried);
  }
}

Json stream_json(const Network& network) {
  Json sites = Json::object();
  for (const Site& site : network.sites()) {
    if (site.carried == Carried{}) continue;
    sites[site.name] = {{"blind", site.carried.blind}, {"ratio", site.carried.ratio}};
    if (site.carried.channel) sites[site.name]["channel"] = {site.carried.low, site.carried.high};
    if (site.carried.units > 0) sites[site.name]["units"] = site.carried.units;
  }
  return {{"version", kStreamVersion}, {"sites", sites}};
}

Checkpoint read_checkpoint(const Path& path, Monitor& monitor) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    throw InputError(fmt::format("model not found: {}", path.string()));
  const bool folder = std::filesystem::is_directory(path, error);
  Checkpoint checkpoint{path, folder ? path / "config.json" : path, Json::object(), {}};
  if (folder) checkpoint.config = read_json(checkpoint.config_path, "config");
  if (!checkpoint.config.is_object()) {
    throw InputError(fmt::format("config {} is a JSON {}, expected an object",
                                 checkpoint.config_path.string(), checkpoint.config.type_name()));
  }
  if (folder) checkpoint.weights = weights_in(path);
  checkpoint.tensors = read_weights(checkpoint.weights, monitor);
  return checkpoint;
}

}  // namespace

Network load_model(const Path& path, const ModelOptions& options, Monitor& monitor) {
  Checkpoint checkpoint = read_checkpoint(path, monitor);
  take_off_prefixes(checkpoint, monitor);
  if (has_hugging_face_names(checkpoint)) to_timm(checkpoint, monitor);
  std::vector<std::string> reasons;
  for (const Family& family : {vit_family()}) {
    const std::string reason = family.why_not(checkpoint);
    if (!reason.empty()) {
      reasons.push_back(fmt::format("{}: {}", family.name, reason));
      continue;
    }
    const Path config_path = checkpoint.config_path;
    const Json config = checkpoint.config;
    const Tensors first_carrier = take_first_carrier(checkpoint.tensors);
    Network network = family.load(std::move(checkpoint), options, monitor);
    read_stream(config_path, config, network);
    set_first_carrier(network, first_carrier);
    check_r_units(network);
    return network;
  }
  throw InputError(fmt::format("checkpoint {} is of no known family ({})", checkpoint.weights.string(),
                               fmt::join(reasons, "; ")));
}

void save_model(const Path& folder, const Network& network) {
  Tensors tensors = network.tensors();
  Json config = network.architecture().config(tensors, network.preprocessing());
  const Json stream = stream_json(network);
  if (!stream["sites"].empty()) config["stream"] = stream;
  write_safetensors(folder / "model.safetensors", tensors);
  write_json(folder / "config.json", config);
}

}  // namespace normgraft
