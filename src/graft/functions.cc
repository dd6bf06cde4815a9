#include "normgraft/graft/functions.h"

#include "normgraft/core/json_place.h"
#include "normgraft/expr/expression_json.h"

namespace normgraft {
namespace {

constexpr int kVersion = 2;

}  // namespace

FunctionFile read_functions(const Path& path) {
  const Json json = read_json(path, "functions");
  const JsonPlace top(json, "functions " + path.string());
  top.check_version(kVersion);
  FunctionFile file;
  for (const auto& [site, text] : top["functions"].members())
    file.functions.emplace(site, expression_at(text));
  if (const auto grid = top.find("grid")) file.grid = grid_at(*grid);
  if (const auto seen = top.find("seen")) {
    for (const auto& [site, range] : seen->members()) file.seen.emplace(site, interval_at(range));
  }
  return file;
}

void write_functions(const Path& path, const FunctionFile& file) {
  Json texts = Json::object(), seen = Json::object();
  for (const auto& [site, f] : file.functions) {
    texts[site] = f.to_string();
    const auto range = file.seen.find(site);
    if (range != file.seen.end()) seen[site] = {range->second.low, range->second.high};
  }
  Json json{{"version", kVersion}, {"functions", texts}};
  if (!file.grid.allows_all()) json["grid"] = to_json(file.grid);
  if (!seen.empty()) json["seen"] = seen;
  write_json(path, json);
}

}  // namespace normgraft
