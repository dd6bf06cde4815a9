#include <ATen/ATen.h>
#include <fmt/format.h>

#include <set>

#include "normgraft/expr/expression.h"
#include "normgraft/graft/scalar_function.h"
#include "normgraft/mapping/mapping.h"
#include "normgraft/models/vit.h"
#include "normgraft/network/first_carrier.h"
#include "normgraft/quantize/quantize.h"

namespace normgraft {
namespace {

constexpr double kFreeChannel = 1e-4;  ///< what is not seen of the stream's own in channel 0

/// The tensors that a plain Vision Transformer reads.
std::set<std::string> plain_tensors(const VitConfig& c, const Network& network) {
  std::set<std::string> names = {"cls_token",
                                 "reg_token",
                                 "pos_embed",
                                 kFirstScales,
                                 kFirstNumbers,
                                 kFirstProjections,
                                 "patch_embed.proj.weight",
                                 "patch_embed.proj.bias"};
  for (const Site& site : network.sites()) {
    names.insert({site.gamma, site.beta});
    for (const LinearNames& reader : site.readers) names.insert({reader.weight, reader.bias});
    if (!site.writer) continue;
    names.insert({site.writer->linear.weight, site.writer->linear.bias, site.writer->scale});
  }
  for (int64_t block = 0; block < c.depth; ++block) {
    for (const char* part : {"mlp.fc1.weight", "mlp.fc1.bias"})
      names.insert(fmt::format("blocks.{}.{}", block, part));
  }
  return names;
}

/// What a plain Vision Transformer has not.
std::string more_than_plain(const VitConfig& config, const Network& network) {
  if (config.classes == 0) return "has no head";
  if (config.pooling != Pooling::kToken || config.norm_behind_pooling)
    return "pools its tokens instead of reading a class token";
  if (config.distilled) return "has a distillation token";
  if (config.pre_norm) return "has a norm ahead of its blocks";
  if (config.patch_norm) return "has a norm of its patches";
  if (config.norm != NormKind::kLayerNorm) return "has RMSNorms";
  const std::set<std::string> plain = plain_tensors(config, network);
  for (const auto& [name, tensor] : network.tensors()) {
    if (!plain.contains(name)) return fmt::format("has a tensor \"{}\"", name);
  }
  const Tensor fc1 = find_tensor(network.tensors(), "blocks.0.mlp.fc1.weight");
  if (!fc1.defined() || fc1.size(0) != network.tensors().at("blocks.0.mlp.fc2.weight").size(1))
    return "has gated MLPs";
  return {};
}

std::string unproven(const FunctionFile& file, const Site& site, const Expression& f) {
  const auto seen = file.seen.find(site.name);
  if (seen == file.seen.end()) {
    return fmt::format("{} has no range of x in functions.json, expected a function proved on one",
                       f.to_string());
  }
  const std::string fault = why_not_admissible(f, seen_at_site(seen->second, site.carried));
  return fault.empty() ? fault : fmt::format("{} has no proven range: {}", f.to_string(), fault);
}

std::string fault_of_site(const FunctionFile& file, const Site& site) {
  const auto f = file.functions.find(site.name);
  if (f == file.functions.end()) {
    return site.carried.channel
               ? "keeps its norm beside a channel that tells r, expected a function at each site"
               : "";
  }
  const std::string fault = unproven(file, site, f->second);
  if (!fault.empty() || !site.carried.channel || factor_of_r(f->second)) return fault;
  return fmt::format("{} is not x times a function of r, which alone is supported where a channel tells r",
                     f->second.to_string());
}

/// Channel 0 is r's alone; the name of a tensor that uses it.
std::string user_of_channel(const Network& network) {
  const auto uses = [](const Tensor& part) { return part.abs().max().item<double>() >= kFreeChannel; };
  const Tensors& tensors = network.tensors();
  for (const Site& site : network.sites()) {
    if (!site.carried.channel) continue;
    for (const LinearNames& reader : site.readers) {
      if (uses(tensors.at(reader.weight).select(1, 0))) return reader.weight;
    }
  }
  if (!tells_first_spread(tensors)) return {};
  for (const std::string& name : network.architecture().embedding_tensors()) {
    const Tensor tensor = find_tensor(tensors, name);
    if (tensor.defined() && uses(tensor.select(name.starts_with("patch_embed") ? 0 : -1, 0))) return name;
  }
  return {};
}

}  // namespace

std::string why_not_whole(const Graft& graft, int64_t pictures) {
  if (pictures < kFewestPictures)
    return fmt::format("{} pictures to choose ranges by, expected at least {}", pictures, kFewestPictures);
  const at::NoGradGuard no_grad;
  const Network& network = graft.network();
  const std::string& name = network.architecture().name();
  const VitConfig* config = vit_config(network);
  if (config == nullptr) return name + " is no Vision Transformer, which alone is supported";
  const std::string more = more_than_plain(*config, network);
  if (!more.empty()) return fmt::format("{} {}, which is not supported so far", name, more);
  const FunctionFile file = graft.function_file();
  for (const Site& site : network.sites()) {
    const std::string fault = fault_of_site(file, site);
    if (!fault.empty()) return fmt::format("norm site \"{}\": {}", site.name, fault);
  }
  const std::string user = user_of_channel(network);
  if (!user.empty()) return fmt::format("tensor \"{}\" is not 0 in the channel that tells r", user);
  return {};
}

}  // namespace normgraft
