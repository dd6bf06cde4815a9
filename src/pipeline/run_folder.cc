#include "normgraft/pipeline/run_folder.h"

#include <fmt/format.h>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

constexpr int kVersion = 1;

}  // namespace

Json RunFolder::read() const {
  const Json json = read_json(run_json(), "run folder's run.json");
  if (!json.is_object() || !json.contains("version") || !json["version"].is_number_integer()) {
    throw InputError(
        fmt::format("{}: no \"version\", expected a run.json of normgraft", run_json().string()));
  }
  if (json["version"].get<int64_t>() > kVersion) {
    throw InputError(fmt::format("{}: version {} is newer than {}, the newest this program reads",
                                 run_json().string(), json["version"].get<int64_t>(), kVersion));
  }
  return json;
}

Json RunFolder::asked(const std::string& stage) const {
  if (!std::filesystem::exists(run_json())) return nullptr;
  const Json json = read();
  return json.contains(stage) ? json[stage] : Json(nullptr);
}

void RunFolder::record(const std::string& stage, const Json& asked, double seconds) const {
  Json json = std::filesystem::exists(run_json())
                  ? read()
                  : Json{{"version", kVersion}, {"normgraft", NORMGRAFT_VERSION}};
  json[stage] = asked;
  json["seconds"][stage] = seconds;
  write_json(run_json(), json);
}

std::string RunFolder::text(const std::string& stage, const std::string& field) const {
  const Json json = read();
  if (!json.contains(stage) || !json[stage].contains(field) || !json[stage][field].is_string()) {
    throw InputError(fmt::format("{}: no {}.{}, expected what `normgraft {}` writes there",
                                 run_json().string(), stage, field, stage));
  }
  return json[stage][field];
}

}  // namespace normgraft
