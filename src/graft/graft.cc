#include "normgraft/graft/graft.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "normgraft/graft/scalar_function.h"
#include "normgraft/vit/stream.h"

namespace normgraft {
namespace {

constexpr int kFunctionsVersion = 1;

size_t site_index(const Vit& vit, const std::string& name) {
  std::vector<std::string> names;
  for (size_t i = 0; i < vit.sites().size(); ++i) {
    if (vit.sites()[i].name == name) return i;
    names.push_back(vit.sites()[i].name);
  }
  throw InputError(
      fmt::format("norm site \"{}\" is not in the model, expected one of {}", name, fmt::join(names, ", ")));
}

}  // namespace

Functions read_functions(const Path& path) {
  const Json json = read_json(path, "functions");
  const auto fail = [&](const std::string& what) {
    throw InputError(fmt::format("functions {}: {}", path.string(), what));
  };
  if (!json.is_object() || !json.contains("version") || !json["version"].is_number_integer()) {
    fail("no \"version\", expected a number");
  }
  if (json["version"].get<int64_t>() > kFunctionsVersion) {
    fail(fmt::format("version {} is newer than {}, the newest this program reads",
                     json["version"].get<int64_t>(), kFunctionsVersion));
  }
  if (!json.contains("functions") || !json["functions"].is_object())
    fail("no \"functions\", expected an object");
  Functions functions;
  for (const auto& [site, text] : json["functions"].items()) {
    if (!text.is_string()) fail(fmt::format("site \"{}\": expected the text of an expression", site));
    try {
      functions.emplace(site, Expression::parse(text.get<std::string>()));
    } catch (const InputError& error) {
      fail(fmt::format("site \"{}\": {}", site, error.what()));
    }
  }
  return functions;
}

void write_functions(const Path& path, const Functions& functions) {
  Json texts = Json::object();
  for (const auto& [site, f] : functions) texts[site] = f.to_string();
  write_json(path, Json{{"version", kFunctionsVersion}, {"functions", texts}});
}

Graft::Graft(Vit vit) : vit_(std::make_unique<Vit>(std::move(vit))), slots_(vit_->sites().size()) {}

void Graft::set_function(const std::string& site, const Expression& f) {
  const size_t index = site_index(*vit_, site);
  slots_[index] = std::make_shared<Slot>(Slot{f, constants_tensor(f), is_blind_to_mean(*vit_, index)});
  use_function(index);
}

void Graft::use_function(size_t site) {
  vit_->set_normalizer(site, [slot = slots_[site]](const torch::Tensor& x) {
    const torch::Tensor y = scalar_function(slot->expression, x, slot->constants);
    return slot->drops_mean ? without_mean(y) : y;
  });
}

void Graft::use_functions(size_t sites) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i]) continue;
    if (i < sites) {
      use_function(i);
    } else {
      vit_->set_normalizer(i, {});
    }
  }
}

Functions Graft::functions() const {
  Functions functions;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i])
      functions.emplace(vit_->sites()[i].name, with_constants(slots_[i]->expression, slots_[i]->constants));
  }
  return functions;
}

void apply_functions(Graft& graft, const Functions& functions, const std::vector<std::string>& sites) {
  std::set<std::string> wanted(sites.begin(), sites.end());
  if (wanted.empty()) {
    for (const NormSite& site : graft.vit().sites()) wanted.insert(site.name);
    for (const auto& [name, f] : functions) wanted.insert(name);
  }
  for (const std::string& name : wanted) site_index(graft.vit(), name);
  for (const std::string& name : wanted) {
    if (!functions.contains(name))
      throw InputError(fmt::format("the plan has no function for norm site \"{}\"", name));
  }
  for (const std::string& name : wanted) graft.set_function(name, functions.at(name));
}

void fold(Graft& graft) {
  for (size_t site = 0; site < graft.vit().sites().size(); ++site) {
    if (graft.has_function(site)) fold_norm(graft.vit(), site, graft.drops_mean(site));
  }
}

Graft load_graft(const Path& path, const VitOptions& options, Monitor& monitor) {
  Graft graft(load_vit(path, options, monitor));
  const Path file = path / "functions.json";
  if (std::filesystem::is_directory(path) && std::filesystem::exists(file)) {
    const Functions functions = read_functions(file);
    std::vector<std::string> sites;
    for (const auto& [site, f] : functions) sites.push_back(site);
    if (!sites.empty()) apply_functions(graft, functions, sites);
  }
  return graft;
}

void save_graft(const Path& folder, const Graft& graft) {
  Vit vit = graft.vit();
  for (size_t site = 0; site < vit.sites().size(); ++site) {
    if (graft.drops_mean(site)) fold_norm(vit, site, /*blind=*/true);
  }
  save_vit(folder, vit);
  const Functions functions = graft.functions();
  if (functions.empty()) {
    std::filesystem::remove(folder / "functions.json");
  } else {
    write_functions(folder / "functions.json", functions);
  }
}

}  // namespace normgraft
