#include "normgraft/graft/graft.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "normgraft/core/error.h"
#include "normgraft/graft/circuit_function.h"
#include "normgraft/graft/scalar_function.h"
#include "normgraft/mapping/mapping.h"
#include "normgraft/network/carrier.h"
#include "normgraft/network/stream.h"

namespace normgraft {

namespace {

void check_reads(const Site& site, const Expression& f) {
  if (f.reads(Op::kR) == site.carried.channel || (site.carried.channel && factor_of_r(f))) return;
  throw InputError(fmt::format("norm site \"{}\": {} {}, expected a function of {}", site.name, f.to_string(),
                               site.carried.channel ? "does not read r, which the stream carries there"
                                                    : "reads r, which the stream does not carry there",
                               site.carried.channel ? "x and r" : "x alone"));
}

Tensor value_of(const Expression& f, const Carried& carried, const Tensor& x, const Tensor& constants) {
  if (!carried.channel) return scalar_function(f, x, constants);
  const Tensor r = told(carried, x);
  if (const auto g = factor_of_r(f)) return x * scalar_function(*g, r, constants);
  return scalar_function(f, x, constants, r);
}

}  // namespace

Graft::Graft(Network network)
    : network_(std::make_unique<Network>(std::move(network))), slots_(network_->sites().size()) {}

void Graft::set_function(const std::string& site, const Expression& f) {
  const size_t index = network_->site_named(site);
  check_reads(network_->sites()[index], f);
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
  const Carried carried = network_->sites()[site].carried;
  const bool drops = carried.blind && !keeps_means_;
  network_->set_normalizer(site, [slot = slots_[site], carried, drops](const Tensor& x) {
    const Tensor y = value_of(slot->expression, carried, x, slot->constants);
    return drops ? without_mean(y) : y;
  });
}

void Graft::use_circuit(const std::string& site, const Circuit& circuit) {
  const size_t index = network_->site_named(site);
  const Carried carried = network_->sites()[index].carried;
  network_->set_normalizer(index, [circuit, carried, drops = drops_mean(index)](const Tensor& x) {
    const Tensor y = circuit_function(circuit, x, carried.channel ? told(carried, x) : Tensor());
    return drops ? without_mean(y) : y;
  });
}

void Graft::keep_means() {
  keeps_means_ = true;
  for (size_t site = 0; site < slots_.size(); ++site) {
    if (slots_[site]) use_function(site);
  }
}

Tensor Graft::value(size_t site, const Tensor& x, const Tensor& constants) const {
  return value_of(slots_[site]->expression, network_->sites()[site].carried, x, constants);
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
    const Carried& carried = network_->sites()[i].carried;
    const Seen range = seen_at_site(seen == seen_.end() ? Interval::entire() : seen->second, carried);
    if (range.x.finite() && !why_not_admissible(f, range).empty()) {
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

Graft copy_of(const Graft& graft) {
  Graft own{Network(graft.network())};
  const FunctionFile file = graft.function_file();
  std::vector<std::string> sites;
  for (const auto& [site, f] : file.functions) sites.push_back(site);
  if (!sites.empty()) own.set_functions(file, sites);
  return own;
}

Graft folded_copy(const Graft& graft) {
  Graft own = copy_of(graft);
  for (auto& [name, tensor] : own.network().tensors()) tensor = tensor.detach();
  for (size_t site = 0; site < own.network().sites().size(); ++site) {
    if (!own.network().sites()[site].readers.empty()) fold_norm(own.network(), site, own.drops_mean(site));
  }
  own.keep_means();
  return own;
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
    const bool channel = network.sites()[site].carried.channel;
    if (graft.drops_mean(site) || (channel && graft.has_function(site))) fold_norm(network, site, !channel);
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
