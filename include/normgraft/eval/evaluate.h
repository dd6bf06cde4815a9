#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "normgraft/core/files.h"
#include "normgraft/core/monitor.h"
#include "normgraft/data/preprocess.h"
#include "normgraft/eval/condition.h"
#include "normgraft/eval/r_range.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

class Graft;
class Loader;
class Network;

/// A mean over pictures with its 95 % bootstrap interval (percentile, 2,000 resamples of pictures).
struct Estimate {
  double mean = 0;
  double low = 0;
  double high = 0;
};

/// Bootstrap of the mean; the same values and seed give the same interval. At least one value.
Estimate bootstrap_mean(const std::vector<double>& values, uint64_t seed = 1);

/// How good a model is on some pictures, and how near to its teacher.
struct Judgement {
  Estimate top1, top5;                ///< shares
  std::optional<Estimate> agreement;  ///< share of pictures with the teacher's argmax
  std::optional<Estimate> kl;         ///< mean of KL(teacher || model) of the softmax, nats, temperature 1
  RRange r_range;                     ///< empty where no function reads a channel
};

/// The judgement on plain pictures, and on the same pictures under other conditions.
struct Evaluation : Judgement {
  int64_t images = 0;
  double images_per_second = 0;  ///< of the network alone on plain pictures, decoding excluded
  std::map<Condition, Judgement> under;
};

/// What is judged, or judged by: anything that gives logits.
struct JudgedModel {
  int64_t classes = 0;
  Preprocessing preprocessing;
  /// Normalised pictures [B, 3, height, width] -> [B, classes].
  std::function<Tensor(const Tensor& images)> logits;
  /// What was counted of r since this was asked last; may be absent.
  std::function<RRange()> r_range;
};

/// A network as it is judged; it must outlive what is returned.
JudgedModel judged(const Network& network);
/// A graft with its own count of r; the graft may go.
JudgedModel judged(const Graft& graft);

/// Judges a model on plain pictures and under `conditions`. A teacher, if there is one, sees the same
/// pictures under the same conditions. `picture_count` is for the progress line. Throws InputError when
/// teacher and model differ in their number of classes, or no picture could be read.
Evaluation evaluate(const Graft& model, const Network* teacher, Loader& pictures, int64_t picture_count,
                    const std::vector<Condition>& conditions, Monitor& monitor);

/// The same for anything that gives logits; null for no teacher.
Evaluation evaluate(const JudgedModel& model, const JudgedModel* teacher, Loader& pictures,
                    int64_t picture_count, const std::vector<Condition>& conditions, Monitor& monitor);

/// Keys top1, top5 and, with a teacher, agreement, kl; each estimate X also as X_interval [low, high].
Json judgement_json(const Judgement& judgement);

/// Keys top1, top5, images, images_per_second and, with a teacher, agreement, kl; each estimate X also as
/// X_interval [low, high]. Where functions read a channel also `r_out_of_range` (to_json of RRange). With
/// other conditions also `under`: an object with these keys for each condition,
/// by its name.
Json to_json(const Evaluation& evaluation);

}  // namespace normgraft
