#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/data/augment.h"
#include "normgraft/data/split.h"

namespace normgraft {

class Graft;
class Network;

/// What training moves, and towards what.
enum class RealignMode : uint8_t {
  kConstants,  ///< of every replaced site gamma, beta, the function's constants, the shift of each channel of
               ///< x, which is in the bias of the Linear before, and what tells r (r_slopes); the teacher's
               ///< logits, no labels
  kAffine,     ///< gamma and beta of every norm site; cross-entropy with the labels
  kFull,       ///< every parameter, the functions' constants included; cross-entropy with the labels
  kDistill,    ///< every parameter; cross-entropy and the teacher's logits
};

/// "constants", "affine", "full" or "distill"; throws InputError naming these.
RealignMode realign_mode(const std::string& name);
std::string to_string(RealignMode mode);

/// Options of re-alignment. The defaults suit small runs (hundreds of pictures, few epochs) and were chosen
/// on pictures kept apart; the published settings are in realign_recipe.
struct RealignOptions {
  RealignMode mode = RealignMode::kDistill;
  int64_t epochs = 1;         ///< at least 1
  int64_t batch = 25;         ///< pictures a step, at least 1
  double rate = 2e-4;         ///< peak learning rate of AdamW, > 0
  double r_rate = 1;          ///< of what tells r in kConstants, as a share of `rate`, at least 0
  double weight_decay = 0.0;  ///< on matrices, and in kConstants on the change of what tells r, which it
                              ///< draws back to the start; vectors and constants have none
  bool cosine = true;         ///< cosine decay to zero over all steps; false: constant
  double warmup = 0.1;        ///< share of all steps with a linear warm-up, in [0, 1)
  double drop_path = 0.0;     ///< stochastic depth of the last block, in [0, 1)
  double temperature = 1.0;   ///< T of distillation, > 0
  double label_weight = 0.0;  ///< loss = w * CE + (1 - w) * T^2 * KL(teacher || student) at temperature T
  double hint = 0.0;       ///< weight of the teacher's residual stream beside the loss, >= 0; needs a teacher
  double clip_norm = 1.0;  ///< largest norm of the gradient; 0: not limited
  double held_out = 0.1;   ///< share of the training pictures kept for choosing the best epoch, in (0, 1)
  Augmentation augmentation;
  uint64_t seed = 1;
  int threads = 0;  ///< of decoding; 0: all cores

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

/// The published settings (arXiv 2605.14047): "carrigg2026-a" gamma and beta only, rate 1e-3 constant; "-f"
/// everything, rate 1e-5 cosine; "-d" everything and distillation, 0.5 CE + 0.5 T^2 KL, T = 4, rate 1e-5
/// cosine, weight decay .05, drop path .2. All: 20 epochs, batch 512, RandAugment 9, colour jitter .4, random
/// erasing .25. Throws InputError naming the recipes.
RealignOptions realign_recipe(const std::string& name);

/// The defaults for a mode: those above, and for kConstants four epochs at rate 5e-4, batches of 16, no
/// colour jitter and crops of at least 0.4 of the area, a hint of 0.05, held out 0.15. Chosen on pictures
/// kept apart.
RealignOptions realign_defaults(RealignMode mode);

/// Whether a training looks at a teacher, and at labels (if only to report top-1).
bool needs_teacher(const RealignOptions& options);
bool needs_labels(const RealignOptions& options);

Json to_json(const RealignOptions& options);

/// One line of metrics.jsonl.
struct EpochMetrics {
  int64_t epoch = 0;  ///< 0: the start, before any step
  int64_t steps = 0;
  double loss = 0;                ///< mean over the epoch's steps
  double rate = 0;                ///< at its end
  double held_out_loss = 0;       ///< same loss, no augmentation, on pictures kept apart
  double held_out_top1 = 0;       ///< NaN where labels are not looked at
  double held_out_agreement = 0;  ///< with the teacher; NaN without one
  double seconds = 0;
  double images_per_second = 0;  ///< trained, augmentation included
};

/// How good a student is on some pictures; NaN for what the training does not look at.
struct RealignScore {
  double loss = 0;
  double top1 = 0;
  double agreement = 0;  ///< with the teacher
};

struct RealignResult {
  std::vector<EpochMetrics> epochs;  ///< the start first
  int64_t best_epoch = 0;            ///< lowest held-out loss; 0 when training did not help
  int64_t reported = 0;              ///< pictures that nothing was fitted to nor chosen by; 0: none are left
  RealignScore before, after;        ///< on these: the start, and the best epoch
};

/// Trains `student` on the pictures to fit to, and chooses the best epoch by those to choose by. After every
/// epoch the constants that are judged and saved are settled (Graft::settle_constants). Leaves in `folder`:
/// the model of the best epoch (config.json, model.safetensors, functions.json), last/ likewise,
/// checkpoints/last.pt and metrics.jsonl, each replaced atomically after every epoch. Where
/// checkpoints/last.pt is of the same options, pictures and start, training goes on from it, and ends with
/// the same bytes as if it had never stopped (same number of threads). On return `student` is the best
/// epoch's. Throws InputError: a mode that needs a teacher without one, a checkpoint of another run
/// (`restart` ignores it instead), labels beyond the classes where they are needed, no picture left to train
/// on.
RealignResult realign(Graft& student, const Network* teacher, const PictureSplit& pictures,
                      const RealignOptions& options, const Path& folder, bool restart, Monitor& monitor);

}  // namespace normgraft
