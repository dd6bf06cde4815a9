#include "checkpoint.h"

#include <fmt/format.h>

#include "normgraft/expr/expression_json.h"

namespace normgraft {
namespace {

Json to_json(const std::vector<Individual>& individuals) {
  Json list = Json::array();
  for (const Individual& i : individuals) list.push_back({i.expression.to_string(), i.error, i.cost});
  return list;
}

/// What a population or an archive holds is finite and proved admissible.
std::vector<Individual> individuals_from(const JsonPlace& place) {
  std::vector<Individual> individuals;
  for (const JsonPlace& element : place.elements()) {
    const auto fields = element.elements();
    if (fields.size() != 3) element.fail("expected [expression, error, cost]");
    Individual individual{.expression = expression_at(fields[0]),
                          .error = fields[1].number(),
                          .cost = fields[2].number(),
                          .admissible = true};
    individual.structure = structure_hash(individual.expression);
    individuals.push_back(std::move(individual));
  }
  return individuals;
}

Json to_json(const SearchState& state) {
  Json islands = Json::array();
  for (const Island& island : state.islands) {
    islands.push_back({{"population", to_json(island.population)}, {"stagnant", island.stagnant}});
  }
  Json tries = Json::array();
  for (const auto& [structure, count] : state.tries) tries.push_back({structure, count});
  return {{"generation", state.generation},
          {"evaluations", state.evaluations},
          {"islands", std::move(islands)},
          {"archive", to_json(state.archive)},
          {"tries", std::move(tries)}};
}

SearchState state_from(const JsonPlace& place) {
  SearchState state;
  state.generation = place["generation"].unsigned_integer();
  state.evaluations = place["evaluations"].integer(0, INT64_MAX);
  for (const JsonPlace& island : place["islands"].elements()) {
    state.islands.push_back({.population = individuals_from(island["population"]),
                             .stagnant = static_cast<int>(island["stagnant"].integer(0, INT32_MAX))});
  }
  state.archive = individuals_from(place["archive"]);
  for (const JsonPlace& entry : place["tries"].elements()) {
    const auto fields = entry.elements();
    if (fields.size() != 2) entry.fail("expected [structure, count]");
    state.tries[fields[0].unsigned_integer()] = static_cast<int>(fields[1].integer(0, INT32_MAX));
  }
  return state;
}

template <typename T>
uint64_t hashed(const std::vector<T>& values, uint64_t seed) {
  return fnv1a(std::as_bytes(std::span(values)), seed);
}

}  // namespace

Path Checkpoints::file(const std::string& site, int seed) const {
  return folder_ / fmt::format("{}.{}.cbor", site, seed);
}

std::optional<SearchState> Checkpoints::read(const std::string& site, int seed) const {
  const Path path = file(site, seed);
  if (folder_.empty() || !std::filesystem::exists(path)) return {};
  const Json json =
      Json::from_cbor(read_file(path, "checkpoint"), /*strict=*/true, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("identity", uint64_t{0}) != identity_) return {};
  try {
    return state_from(JsonPlace(json, path.string()));
  } catch (const InputError&) {
    return {};
  }
}

void Checkpoints::write(const std::string& site, int seed, const SearchState& state) const {
  if (folder_.empty()) return;
  Json json = to_json(state);
  json["identity"] = identity_;
  const std::vector<uint8_t> bytes = Json::to_cbor(json);
  write_atomically(file(site, seed),
                   std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

uint64_t search_identity(const Mappings& mappings, const EvolveOptions& options) {
  const std::string asked = normgraft::to_json(options).dump();
  uint64_t identity = fnv1a(std::as_bytes(std::span(asked)));
  for (const SiteMapping& site : mappings.sites) {
    identity = hashed(site.edges, fnv1a(std::as_bytes(std::span(site.name)), identity));
    for (const auto& measure : site.bins) {
      for (const std::vector<Moments>& fold : measure) identity = hashed(fold, identity);
    }
  }
  return identity;
}

}  // namespace normgraft
