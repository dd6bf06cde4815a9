#pragma once

#include <memory>
#include <string>
#include <vector>

#include "normgraft/circuit/circuit.h"
#include "normgraft/graft/functions.h"
#include "normgraft/models/model_folder.h"
#include "normgraft/network/network.h"

namespace normgraft {

/// A network with scalar functions in place of the normalisation at some of its sites, or at none: then it is
/// the original. One function a site for all tokens and channels, of x, or of x and r where a channel tells
/// r; gamma and beta remain. Move-only.
class Graft {
 public:
  /// The original network, no site replaced.
  explicit Graft(Network network);
  Graft(Graft&&) = default;
  Graft& operator=(Graft&&) = default;

  /// Puts f at a site, and gives it what calibration moves: a beta, and a bias of the Linear that wrote the
  /// stream, 0 where there was none. Throws InputError, listing sites, when there is none of that name; and
  /// when f reads r where no channel tells it, or does not where one does and is no constant times x.
  void set_function(const std::string& site, const Expression& f);

  /// Puts the functions of a file at their sites, with their grid and ranges. Throws InputError naming a site
  /// that the model does not have, and, unless `sites` names the ones wanted, a site of the model for which
  /// there is no function.
  void set_functions(const FunctionFile& file, const std::vector<std::string>& sites = {});

  /// The functions with their constants as they are now.
  Functions functions() const;
  /// The same with their grid and ranges.
  FunctionFile function_file() const;

  bool has_function(size_t site) const { return slots_[site] != nullptr; }
  /// Trainable constants of the function at a site, F32 [K]; has_function(site) must hold.
  Tensor& constants(size_t site) { return slots_[site]->constants; }
  const Tensor& constants(size_t site) const { return slots_[site]->constants; }
  /// The function at a site as it was put there, with its first constants; has_function(site) must hold.
  const Expression& expression(size_t site) const { return slots_[site]->expression; }
  /// Whether y is f(x) without its mean over channels, as LayerNorm's y is, because the Linears behind the
  /// site are blind to that mean (Carried::blind). Folding makes them blind again, so that nothing computes a
  /// mean.
  bool drops_mean(size_t site) const { return slots_[site] && network_->sites()[site].carried.blind; }

  /// From here on functions leave to those Linears what they are blind to, as hardware does, which has no
  /// mean over channels. Their weights have to be blind: folded (fold_norm), as save_graft() leaves them.
  void keep_means();

  /// From here on the site's function is computed as a circuit does (circuit_function), for judging alone.
  /// What functions() and save_graft() say does not change. The site has a function.
  void use_circuit(const std::string& site, const Circuit& circuit);

  /// y at a site from x [..., D] and constants in place of the function's own, with r where the function
  /// reads it; has_function(site) must hold.
  Tensor value(size_t site, const Tensor& x, const Tensor& constants) const;

  /// Puts constants that were moved where they may be, in new tensors: the nearest on the grid, and where a
  /// function is then not proved admissible on the range of x its site has seen, back to those it was given.
  /// Returns the sites that went back.
  std::vector<std::string> settle_constants();

  /// From here on only the first `sites` norm sites use their functions; the ones behind them compute their
  /// norm as long as this holds. What functions() and save_graft() say does not change.
  void use_functions(size_t sites);

  Network& network() { return *network_; }
  const Network& network() const { return *network_; }
  Tensor forward(const Tensor& images, const Network::Observer& observer = {}) const {
    return network_->forward(images, observer);
  }

 private:
  struct Slot {
    Expression expression;
    Tensor constants;
  };
  void use_function(size_t site);

  std::unique_ptr<Network> network_;
  std::vector<std::shared_ptr<Slot>> slots_;  // by site; null where the norm stays
  ConstantGrid grid_;
  std::map<std::string, Interval> seen_;  // by site
  bool keeps_means_ = false;
};

/// Folds every grafted site (fold_norm), so that it is f and nothing else. The logits stay the same up to
/// rounding. Throws InputError naming a site that no Linear reads.
void fold(Graft& graft);

/// The same network with the same functions at its sites; tensors are shared until they are replaced.
Graft copy_of(const Graft& graft);

/// A copy, without gradients, of which every site that a Linear reads is folded, and whose functions leave
/// means to the readers (Graft::keep_means): as deployed networks compute it.
Graft folded_copy(const Graft& graft);

/// Loads a model folder with its functions.json, if there is one.
Graft load_graft(const Path& path, const ModelOptions& options, Monitor& monitor);

/// Writes a model folder, functions.json included when any site is replaced. Sites that drop their mean, or
/// whose channel tells the spread, are folded.
void save_graft(const Path& folder, const Graft& graft);

}  // namespace normgraft
