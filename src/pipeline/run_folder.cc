#include "normgraft/pipeline/run_folder.h"

#include <fmt/format.h>

#include "normgraft/core/error.h"
#include "normgraft/core/json_place.h"

namespace normgraft {
namespace {

constexpr int kVersion = 2;

}  // namespace

Json RunFolder::read() const {
  Json json = read_json(run_json(), "run folder's run.json");
  JsonPlace(json, run_json().string()).check_version(kVersion);
  return json;
}

Json RunFolder::asked(const std::string& stage) const {
  if (!std::filesystem::exists(run_json())) return nullptr;
  const Json json = read();
  return json.contains(stage) ? json[stage] : Json(nullptr);
}

Json RunFolder::read_or_begin() const {
  return std::filesystem::exists(run_json()) ? read()
                                             : Json{{"version", kVersion}, {"normgraft", NORMGRAFT_VERSION}};
}

void RunFolder::note(const std::string& key, const Json& value) const {
  Json json = read_or_begin();
  json[key] = value;
  write_json(run_json(), json);
}

void RunFolder::record(const std::string& stage, const Json& asked, double seconds) const {
  Json json = read_or_begin();
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
