#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/expr/expression.h"
#include "normgraft/vit/vit.h"

namespace normgraft {

/// Site name -> expression; the content of functions.json.
using Functions = std::map<std::string, Expression>;

/// Reads and writes functions.json: {"version": 1, "functions": {site: expression text}}.
Functions read_functions(const Path& path);
void write_functions(const Path& path, const Functions& functions);

/// A Vision Transformer with scalar functions in place of the normalisation at some of its sites, or at none:
/// then it is the original. One function of one variable a site for all tokens and channels; gamma and beta
/// remain. Move-only.
class Graft {
 public:
  /// The original network, no site replaced.
  explicit Graft(Vit vit);
  Graft(Graft&&) = default;
  Graft& operator=(Graft&&) = default;

  /// Puts f at a site. Throws InputError, listing sites, when there is none of that name.
  void set_function(const std::string& site, const Expression& f);

  /// The functions with their constants as they are now.
  Functions functions() const;
  bool has_function(size_t site) const { return slots_[site] != nullptr; }
  /// Trainable constants of the function at a site, F32 [K]; has_function(site) must hold.
  torch::Tensor& constants(size_t site) { return slots_[site]->constants; }
  const torch::Tensor& constants(size_t site) const { return slots_[site]->constants; }
  /// The function at a site as it was put there, with its first constants; has_function(site) must hold.
  const Expression& expression(size_t site) const { return slots_[site]->expression; }
  /// Whether y is f(x) without its mean over channels, as LayerNorm's y is, because the Linear behind the
  /// site was blind to that mean when f was put there (is_blind_to_mean). Folding makes it blind again, so
  /// that nothing computes a mean.
  bool drops_mean(size_t site) const { return slots_[site] && slots_[site]->drops_mean; }

  /// From here on only the first `sites` norm sites use their functions; the ones behind them compute
  /// LayerNorm as long as this holds. What functions() and save_graft() say does not change.
  void use_functions(size_t sites);

  Vit& vit() { return *vit_; }
  const Vit& vit() const { return *vit_; }
  torch::Tensor forward(const torch::Tensor& images, const Vit::Observer& observer = {}) const {
    return vit_->forward(images, observer);
  }

 private:
  struct Slot {
    Expression expression;
    torch::Tensor constants;
    bool drops_mean;
  };
  void use_function(size_t site);

  std::unique_ptr<Vit> vit_;
  std::vector<std::shared_ptr<Slot>> slots_;  // by site; null where LayerNorm stays
};

/// Puts functions at their sites. Throws InputError naming a site that the model does not have, and, unless
/// `sites` names the ones wanted, a site of the model for which there is no function.
void apply_functions(Graft& graft, const Functions& functions, const std::vector<std::string>& sites = {});

/// Folds every grafted site (fold_norm), so that it is f and nothing else. The logits stay the same up to
/// rounding. Throws InputError naming a site that no Linear follows.
void fold(Graft& graft);

/// Loads a model folder with its functions.json, if there is one.
Graft load_graft(const Path& path, const VitOptions& options, Monitor& monitor);

/// Writes a model folder, functions.json included when any site is replaced. Sites that drop their mean are
/// folded.
void save_graft(const Path& folder, const Graft& graft);

}  // namespace normgraft
