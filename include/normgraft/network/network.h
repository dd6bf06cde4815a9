#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "normgraft/network/architecture.h"

namespace normgraft {

/// A walk that stands before the writer behind a site.
struct Step {
  Tensor trunk;   ///< what goes on as the stream [B, N, D]
  Tensor branch;  ///< what enters the writer [B, N, in]; undefined where there is none
};

/// A network as a described residual stream: tensors, norm sites, and the walk along them. Every site can be
/// given a function in place of its normalisation; gamma and beta stay the site's own. A copy shares the
/// tensors' memory.
class Network {
 public:
  /// x [..., D] -> y of the same shape, before gamma and beta.
  using Normalizer = std::function<Tensor(const Tensor& x)>;
  /// Called at each site with its index, x and y before gamma and beta.
  using Observer = std::function<void(size_t site, const Tensor& x, const Tensor& y)>;

  /// Tensors become F32. Throws InputError naming a tensor that is not finite, or a site's tensor that is
  /// missing.
  Network(std::shared_ptr<const Architecture> architecture, Preprocessing preprocessing, Tensors tensors);

  const Architecture& architecture() const { return *architecture_; }
  const Preprocessing& preprocessing() const { return preprocessing_; }
  const std::vector<Site>& sites() const { return sites_; }
  /// Index of the site of that name. Throws InputError naming the sites.
  size_t site_named(const std::string& name) const;
  int64_t classes() const { return architecture_->classes(); }
  int64_t parameter_count() const;

  /// F32, by name. Training changes them in place (set requires_grad on them). Those of the first carrier
  /// (carrier.h) are among them.
  Tensors& tensors() { return tensors_; }
  const Tensors& tensors() const { return tensors_; }

  /// What is known of the numbers at a site. The caller vouches for it.
  void set_carried(size_t site, const Carried& carried) { sites_.at(site).carried = carried; }

  /// How numbers are kept from here on; none: F32. The tensors are left as they are.
  void set_arithmetic(std::shared_ptr<const Arithmetic> arithmetic) { arithmetic_ = std::move(arithmetic); }

  /// Replaces the normalisation at a site; an empty function restores the norm.
  void set_normalizer(size_t site, Normalizer normalizer);
  /// Empty where the norm is.
  const Normalizer& normalizer(size_t site) const { return normalizers_.at(site); }

  /// Stochastic depth: the branch behind a site is dropped, for each picture, with probability rate *
  /// Site::depth, the kept ones scaled up; 0 (the default) for evaluation.
  void set_drop_path(double rate) { drop_path_ = rate; }

  /// The walk: x of the first site, from pictures [B, 3, height, width]; x of the next one from that of a
  /// site; and behind the last, logits [B, classes]. Differentiable.
  Tensor enter(const Tensor& images) const;
  Tensor pass(size_t site, const Tensor& x, const Observer& observer = {}) const;
  Tensor leave(const Tensor& x, const Observer& observer = {}) const;

  /// gamma * y + beta at a site, from its x: what its readers read.
  Tensor normalised(size_t site, const Tensor& x, const Observer& observer = {}) const;

  /// Whether a Linear behind a site writes the stream: the next site has a writer.
  bool writes_behind(size_t site) const {
    return site + 1 < sites_.size() && sites_[site + 1].writer.has_value();
  }
  /// pass() in two: up to the writer behind the site, and that writer.
  Step step(size_t site, const Tensor& x, const Observer& observer = {}) const;
  Tensor write(size_t site, const Step& step) const;

  /// The whole walk. With gradients off and no observer, pictures are divided among LibTorch's threads, and
  /// normalizers are called from each.
  Tensor forward(const Tensor& images, const Observer& observer = {}) const;

 private:
  Tensor walk(const Tensor& images, const Observer& observer) const;
  Operations operations() const { return Operations(tensors_, arithmetic_.get()); }
  /// x of a site as the arithmetic keeps it.
  Tensor keep_stream(size_t site, const Tensor& x) const;

  std::shared_ptr<const Architecture> architecture_;
  Preprocessing preprocessing_;
  Tensors tensors_;
  std::vector<Site> sites_;
  std::vector<Normalizer> normalizers_;
  std::shared_ptr<const Arithmetic> arithmetic_;
  double drop_path_ = 0;
};

/// y of a norm, before gamma and beta: x [..., D].
Tensor normalise(NormKind kind, const Tensor& x, double eps);

/// y of the norm at a site, before gamma and beta: x [..., D]. Where channel 0 tells the spread
/// (Carried::channel), y is that of the other channels alone, divided by the root of their sum of squares
/// over D, and channel 0 of y is 0.
Tensor normalise(const Site& site, const Tensor& x);

/// The spread of each token over channels, as the norm at a site divides by it: x [..., D] -> [...].
Tensor spread(const Site& site, const Tensor& x);

}  // namespace normgraft
