#include "network_work.h"

#include <ATen/ATen.h>

#include "normgraft/network/first_carrier.h"

namespace normgraft {
namespace {

/// Names the products of one network, from its tensors and its sites.
class Products {
 public:
  Products(const Network& network, Norms norms)
      : network_(network),
        norms_(norms),
        tokens_(static_cast<double>(network.sites().front().tokens)),
        patches_(tokens_ - static_cast<double>(network.architecture().prefix_tokens())) {}

  std::vector<ProductWork> all() {
    for (const auto& [name, tensor] : network_.tensors()) {
      if (tensor.dim() < 2 || !name.ends_with(".weight")) continue;
      const auto [outputs, inputs] = left_out(name);
      const auto out = static_cast<double>(tensor.size(0) - outputs);
      const auto in = static_cast<double>(tensor.numel() / tensor.size(0) - inputs);
      add_linear(name, out, in);
      if (name.ends_with(".attn.qkv.weight")) add_attention(name, tokens_, tokens_, out / 3);
      if (name == "attn_pool.kv.weight") add_attention(name, 1, patches_, out / 2);
    }
    if (norms_ == Norms::kOwn) add_first_carrier();
    return std::move(products_);
  }

 private:
  /// Outputs and inputs of a Linear that tell r, where these are not counted.
  std::pair<int64_t, int64_t> left_out(const std::string& weight) const {
    if (norms_ == Norms::kOwn) return {0, 0};
    for (const Site& site : network_.sites()) {
      if (site.carried.units == 0) continue;
      if (site.writer->hidden->linear.weight == weight) return {site.carried.units, 0};
      if (site.writer->linear.weight == weight) return {0, site.carried.units};
    }
    return {0, 0};
  }

  void add_linear(const std::string& name, double out, double in) {
    ProductWork product{.name = name};
    double rows = tokens_;
    if (name.starts_with("patch_embed.") || name == "attn_pool.kv.weight") {
      rows = patches_;
    } else if (name.starts_with("attn_pool.") || name.starts_with("head")) {
      rows = 1;
    }
    product.ops = 2 * rows * in * out;
    product.read = rows * in;
    product.weights = in * out;
    (name.starts_with("patch_embed.") ? product.stream_written : product.written) = rows * out;
    for (const Site& site : network_.sites()) {
      for (const LinearNames& reader : site.readers) {
        if (reader.weight != name) continue;
        // A head that reads what a pooling makes of all tokens has them read from the site.
        const int64_t read = network_.architecture().tokens_read();
        if (rows == 1 && !site.pooled) product.read = in * (read > 0 ? 1.0 : patches_);
        product.of_sites = product.read;
        product.site_channels = site.channels;
      }
    }
    products_.push_back(product);
  }

  /// Scores of `queries` tokens with `keys` tokens, and the values weighed by them: `width` over all heads.
  void add_attention(const std::string& name, double queries, double keys, double width) {
    ProductWork product{.name = name.substr(0, name.rfind(".weight")) + ", products"};
    product.ops = 2 * 2 * queries * keys * width;
    product.read = (queries + 2 * keys) * width;
    product.written = queries * width;
    products_.push_back(product);
  }

  /// A few squares of the embedded patches, whose scales and numbers are among the operations.
  void add_first_carrier() {
    if (!tells_first_spread(network_.tensors())) return;
    const auto squares = static_cast<double>(network_.tensors().at(kFirstScales).numel());
    const auto channels = static_cast<double>(network_.sites().front().channels);
    products_.push_back({.name = kFirstProjections,
                         .ops = squares * (2 * channels + 3) * tokens_,
                         .weights = squares * channels});
  }

  const Network& network_;
  Norms norms_;
  double tokens_, patches_;
  std::vector<ProductWork> products_;
};

}  // namespace

NetworkWork network_work(const Graft& graft, Norms norms) {
  const Network& network = graft.network();
  const Functions functions = graft.functions();
  NetworkWork work;
  for (const Site& site : network.sites()) {
    NormWork norm{.name = site.name, .tokens = site.tokens, .channels = site.channels};
    norm.adds = site.writer.has_value() && !site.pooled;  // what is pooled was added before
    norm.goes_on = &site != &network.sites().back();
    const auto f = functions.find(site.name);
    if (norms == Norms::kOwn && f != functions.end()) norm.f = f->second;
    work.norms.push_back(norm);
  }
  work.products = Products(network, norms).all();
  return work;
}

AcceleratorCost cost_on(const Accelerator& accelerator, const Graft& graft) {
  return compare_on(accelerator, network_work(graft, Norms::kLayerNorm), network_work(graft, Norms::kOwn));
}

}  // namespace normgraft
