#include "normgraft/graft/graft.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <set>

#include "normgraft/core/error.h"
#include "normgraft/graft/scalar_function.h"
#include "normgraft/network/stream.h"

namespace normgraft {

Graft::Graft(Network network)
    : network_(std::make_unique<Network>(std::move(network))), slots_(network_->sites().size()) {}

void Graft::set_function(const std::string& site, const Expression& f) {
  const size_t index = network_->site_named(site);
  slots_[index] = std::make_shared<Slot>(Slot{f, constants_tensor(f)});
  const Site& place = network_->sites()[index];
  const auto ensure = [&](const std::string& name) {
    Tensor& tensor = network_->tensors()[name];
    if (!tensor.defined()) tensor = at::zeros({place.channels});
  };
  ensure(place.beta);
  if (place.writer) ensure(place.writer->linear.bias);
  use_function(index);
}

void Graft::set_functions(const FunctionFile& file, const std::vector<std::string>& sites) {
  std::set<std::string> wanted(sites.begin(), sites.end());
  if (wanted.empty()) {
    for (const Site& site : network_->sites()) wanted.insert(site.name);
    for (const auto& [name, f] : file.functions) wanted.insert(name);
  }
  for (const std::string& name : wanted) network_->site_named(name);
  for (const std::string& name : wanted) {
    if (!file.functions.contains(name)) {
      throw InputError(fmt::format("the plan has no function for norm site \"{}\"", name));
    }
  }
  for (const std::string& name : wanted) set_function(name, file.functions.at(name));
  grid_ = file.grid;
  seen_ = file.seen;
}

void Graft::use_function(size_t site) {
  network_->set_normalizer(site, [slot = slots_[site], drops_mean = drops_mean(site)](const Tensor& x) {
    const Tensor y = scalar_function(slot->expression, x, slot->constants);
    return drops_mean ? without_mean(y) : y;
  });
}

void Graft::use_functions(size_t sites) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i]) continue;
    if (i < sites) {
      use_function(i);
    } else {
      network_->set_normalizer(i, {});
    }
  }
}

Functions Graft::functions() const {
  Functions functions;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i]) continue;
    functions.emplace(network_->sites()[i].name, with_constants(slots_[i]->expression, slots_[i]->constants));
  }
  return functions;
}

FunctionFile Graft::function_file() const {
  return {functions(), grid_, seen_};
}

std::vector<std::string> Graft::settle_constants() {
  std::vector<std::string> back;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i] || slots_[i]->constants.numel() == 0) continue;
    const std::string& name = network_->sites()[i].name;
    const auto seen = seen_.find(name);
    Expression f = with_constants(slots_[i]->expression, slots_[i]->constants);
    if (!grid_.allows_all()) f = on_grid(f, grid_);
    if (seen != seen_.end() && !why_not_admissible(f, {seen->second}).empty()) {
      back.push_back(name);
      f = slots_[i]->expression;
    }
    slots_[i]->constants = constants_tensor(f);
  }
  return back;
}

void fold(Graft& graft) {
  for (size_t site = 0; site < graft.network().sites().size(); ++site) {
    if (graft.has_function(site)) fold_norm(graft.network(), site, graft.drops_mean(site));
  }
}

Graft load_graft(const Path& path, const ModelOptions& options, Monitor& monitor) {
  Graft graft(load_model(path, options, monitor));
  const Path file = path / "functions.json";
  if (std::filesystem::is_directory(path) && std::filesystem::exists(file)) {
    const FunctionFile functions = read_functions(file);
    std::vector<std::string> sites;
    for (const auto& [site, f] : functions.functions) sites.push_back(site);
    if (!sites.empty()) graft.set_functions(functions, sites);
  }
  return graft;
}

void save_graft(const Path& folder, const Graft& graft) {
  Network network = graft.network();
  for (size_t site = 0; site < network.sites().size(); ++site) {
    if (graft.drops_mean(site)) fold_norm(network, site, /*blind=*/true);
  }
  save_model(folder, network);
  const FunctionFile file = graft.function_file();
  if (file.functions.empty()) {
    std::filesystem::remove(folder / "functions.json");
  } else {
    write_functions(folder / "functions.json", file);
  }
}

}  // namespace normgraft
