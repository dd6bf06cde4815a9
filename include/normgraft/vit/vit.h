#pragma once

#include <torch/torch.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "normgraft/core/files.h"
#include "normgraft/core/monitor.h"
#include "normgraft/data/preprocess.h"

namespace normgraft {

/// Tensors by timm name, sorted.
using Tensors = std::map<std::string, torch::Tensor>;

/// The architecture, in the shape letters B batch, N tokens, D channels.
struct VitConfig {
  std::string architecture;  ///< timm's name, "deit_tiny_patch16_224"
  int64_t height = 224, width = 224;
  int64_t patch_height = 16, patch_width = 16;
  int64_t channels = 192;  ///< D
  int64_t depth = 12;
  int64_t heads = 3;
  int64_t classes = 1000;           ///< 0: no head, features are returned
  double eps = 1e-6;                ///< of every LayerNorm
  std::string activation = "gelu";  ///< "gelu" (erf) , "gelu_tanh", "quick_gelu" or "relu"
  bool average_pool = false;  ///< mean over patch tokens, then fc_norm, instead of norm and the class token
  bool norm_before_pool = false;  ///< with average_pool: norm over all tokens before the mean, no fc_norm
  bool class_token = true;
  bool distilled = false;  ///< a distillation token and a second head, averaged
  int64_t register_tokens = 0;
  bool position_after_class_token = true;  ///< false: pos_embed covers the patches only (no_embed_class)
  bool pre_norm = false;                   ///< a LayerNorm `norm_pre` before the blocks
};

/// What neither tensors nor config may say; unset values are deduced and announced as notices.
struct VitOptions {
  std::optional<int64_t> heads;
  std::optional<double> eps;
  std::optional<std::string> activation;
};

/// One LayerNorm of the model.
struct NormSite {
  std::string name;             ///< "blocks.3.norm2", "norm", "fc_norm"
  std::string next_linear;      ///< the Linear that its output enters and gamma/beta fold into:
                                ///< "blocks.3.mlp.fc1", "head"
  std::string previous_linear;  ///< the Linear that wrote the residual stream last, whose bias shifts the
                                ///< site's x: "blocks.3.attn.proj"; empty for the first
  std::string
      previous_scale;  ///< the LayerScale between the two, where the model has one: "blocks.3.ls1.gamma"
};

/// A Vision Transformer over timm's tensors. Every norm site can be given a function in place of the
/// normalisation (x - mean) / sqrt(var + eps); gamma and beta stay the site's own.
class Vit {
 public:
  /// x [..., D] -> y of the same shape, before gamma and beta.
  using Normalizer = std::function<torch::Tensor(const torch::Tensor& x)>;
  /// Called at each site with its index, x and y before gamma and beta.
  using Observer = std::function<void(size_t site, const torch::Tensor& x, const torch::Tensor& y)>;

  /// From tensors and what is known of them. Throws InputError: names the tensors that are missing, of the
  /// wrong shape, not understood, or not finite.
  Vit(VitConfig config, Preprocessing preprocessing, Tensors tensors);

  const VitConfig& config() const { return config_; }
  const Preprocessing& preprocessing() const { return preprocessing_; }
  const std::vector<NormSite>& sites() const { return sites_; }
  int64_t parameter_count() const;
  int64_t tokens() const;  ///< N, class, distillation and register tokens included

  /// F32 tensors by timm name. Training changes them in place (set requires_grad on them).
  Tensors& tensors() { return tensors_; }
  const Tensors& tensors() const { return tensors_; }

  /// Replaces the normalisation at a site; an empty function restores LayerNorm.
  void set_normalizer(size_t site, Normalizer normalizer);

  /// Stochastic depth: the residual branch of block i is dropped, for each picture, with probability
  /// rate * i / (depth - 1), the kept ones scaled up; 0 (the default) for evaluation.
  void set_drop_path(double rate) { drop_path_ = rate; }

  /// images [B, 3, height, width], normalised -> logits [B, classes]. The observer is optional; with one,
  /// a LayerNorm site is computed in two steps (normalise, then gamma and beta). Differentiable; with
  /// gradients off and no observer, the pictures are divided among LibTorch's threads, and normalizers are
  /// called from each.
  torch::Tensor forward(const torch::Tensor& images, const Observer& observer = {}) const;

  /// The residual stream as it enters the blocks: images -> [B, N, D].
  torch::Tensor enter(const torch::Tensor& images) const;

  /// What enters the Linear that writes the stream behind a site of a block (sites()[site +
  /// 1].previous_linear), from the stream x [B, N, D] before it: the heads' output at norm1, the activated
  /// hidden units at norm2.
  torch::Tensor branch(size_t site, const torch::Tensor& x, const Observer& observer = {}) const;

  /// Tokens ahead of the patches: class, distillation and register tokens.
  int64_t prefix_tokens() const;

  void to(torch::Device device);

 private:
  torch::Tensor forward_chunk(const torch::Tensor& images, const Observer& observer) const;
  torch::Tensor embed(const torch::Tensor& images) const;
  torch::Tensor block(int64_t index, const torch::Tensor& x, const Observer& observer) const;
  torch::Tensor classify(const torch::Tensor& x, const Observer& observer) const;
  torch::Tensor norm(size_t site, const torch::Tensor& x, const Observer& observer) const;
  torch::Tensor linear(const std::string& name, const torch::Tensor& x) const;
  const torch::Tensor& tensor(const std::string& name) const;
  torch::Tensor optional_tensor(const std::string& name) const;  ///< undefined where the model has none

  VitConfig config_;
  Preprocessing preprocessing_;
  Tensors tensors_;
  std::vector<NormSite> sites_;
  std::vector<Normalizer> normalizers_;
  double drop_path_ = 0;
};

/// Reads a timm model folder (config.json + model.safetensors), or a bare .safetensors file. `functions.json`
/// is not looked at (see graft). Throws InputError for a damaged file or a checkpoint of another
/// architecture.
Vit load_vit(const Path& path, const VitOptions& options, Monitor& monitor);

/// Writes a timm model folder; each file atomically. The config carries everything that load_vit reads.
void save_vit(const Path& folder, const Vit& vit);

/// Gives LibTorch `threads` threads (0: all cores). They call the BLAS from each, so its own pool is set to
/// one thread: two pools would compete for the cores.
void set_network_threads(int threads);

}  // namespace normgraft
