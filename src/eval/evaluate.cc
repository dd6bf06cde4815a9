#include "normgraft/eval/evaluate.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "normgraft/core/random.h"
#include "normgraft/data/loader.h"
#include "normgraft/eval/under.h"
#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"
#include "normgraft/network/batches.h"

namespace normgraft {
namespace {

constexpr int kResamples = 2000;

void append(std::vector<double>& values, const Tensor& tensor) {
  const Tensor flat = tensor.to(at::kDouble).contiguous();
  values.insert(values.end(), flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel());
}

Tensor is_label_among_top(const Tensor& logits, const Tensor& labels, int64_t k) {
  const Tensor top = std::get<1>(logits.topk(std::min(k, logits.size(1)), 1));
  return top.eq(labels.unsqueeze(1)).any(1);
}

/// Pictures normalised as one model sees them, as another does.
Tensor as_seen_by(const Preprocessing& to, const Preprocessing& from, const Tensor& images) {
  if (to.mean == from.mean && to.std == from.std) return images;
  return (images * by_colour(from.std) + (by_colour(from.mean) - by_colour(to.mean))) / by_colour(to.std);
}

/// What the pictures gave under one condition, a value for each.
struct Tally {
  std::vector<double> top1, top5, agreement, kl;
  RRange r_range;

  /// `target` holds the teacher's logits; undefined: no teacher.
  void add(const Tensor& logits, const Tensor& target, const Tensor& labels) {
    append(top1, is_label_among_top(logits, labels, 1));
    append(top5, is_label_among_top(logits, labels, 5));
    if (!target.defined()) return;
    append(agreement, target.argmax(1).eq(logits.argmax(1)));
    append(kl, divergence(target, logits));
  }

  Judgement judgement() const {
    Judgement result{bootstrap_mean(top1), bootstrap_mean(top5), {}, {}, r_range};
    if (!agreement.empty()) result.agreement = bootstrap_mean(agreement);
    if (!kl.empty()) result.kl = bootstrap_mean(kl);
    return result;
  }
};

}  // namespace

Json judgement_json(const Judgement& judgement) {
  Json json = Json::object();
  const auto put = [&json](const std::string& key, const Estimate& estimate) {
    json[key] = estimate.mean;
    json[key + "_interval"] = {estimate.low, estimate.high};
  };
  put("top1", judgement.top1);
  put("top5", judgement.top5);
  if (judgement.agreement) put("agreement", *judgement.agreement);
  if (judgement.kl) put("kl", *judgement.kl);
  if (!judgement.r_range.empty()) json["r_out_of_range"] = to_json(judgement.r_range);
  return json;
}

Estimate bootstrap_mean(const std::vector<double>& values, uint64_t seed) {
  const size_t n = values.size();
  Random random({seed, n});
  std::vector<double> means(kResamples);
  for (double& mean : means) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += values[random.below(n)];
    mean = sum / static_cast<double>(n);
  }
  std::sort(means.begin(), means.end());
  double sum = 0;
  for (const double value : values) sum += value;
  return {sum / static_cast<double>(n), means[kResamples / 40], means[kResamples - 1 - kResamples / 40]};
}

JudgedModel judged(const Network& network) {
  return {network.classes(),
          network.preprocessing(),
          [&network](const Tensor& images) { return network.forward(images); },
          {}};
}

JudgedModel judged(const Graft& graft) {
  const auto network = std::make_shared<Network>(graft.network());  // its own copy counts r
  const auto watch = std::make_shared<RWatch>(*network);
  return {network->classes(), network->preprocessing(),
          [network](const Tensor& images) { return network->forward(images); },
          [watch] { return watch->take(); }};
}

Evaluation evaluate(const Graft& model, const Network* teacher, Loader& pictures, int64_t picture_count,
                    const std::vector<Condition>& conditions, Monitor& monitor) {
  const JudgedModel by = teacher != nullptr ? judged(*teacher) : JudgedModel{};
  return evaluate(judged(model), teacher != nullptr ? &by : nullptr, pictures, picture_count, conditions,
                  monitor);
}

Evaluation evaluate(const JudgedModel& model, const JudgedModel* teacher, Loader& pictures,
                    int64_t picture_count, const std::vector<Condition>& conditions, Monitor& monitor) {
  const int64_t classes = model.classes;
  if (classes < 2)
    throw InputError(
        fmt::format("eval: the model predicts {} classes, expected at least 2 to judge", classes));
  if (teacher != nullptr && teacher->classes != classes) {
    throw InputError(fmt::format("the teacher has {} classes and the model {}, expected as many",
                                 teacher->classes, classes));
  }
  at::NoGradGuard no_grad;
  std::map<Condition, Tally> tallies;
  Tally& plain = tallies[Condition::kPlain];
  for (const Condition condition : conditions) tallies[condition];
  std::chrono::duration<double> network_time{0};
  while (const auto batch = pictures.next()) {
    const Tensor labels = labels_tensor(*batch);
    if (labels.max().item<int64_t>() >= classes) {
      throw InputError(
          fmt::format("a picture has class {}, but the model has {} classes: expected a class list "
                      "(--classes) or a folder for each class",
                      labels.max().item<int64_t>(), classes));
    }
    const Tensor images = images_tensor(*batch, model.preprocessing);
    for (auto& [condition, tally] : tallies) {
      monitor.check();
      const Tensor seen = under(condition, images, model.preprocessing);
      const auto start = std::chrono::steady_clock::now();
      const Tensor logits = model.logits(seen);
      if (condition == Condition::kPlain) network_time += std::chrono::steady_clock::now() - start;
      if (model.r_range) {
        for (const auto& [site, count] : model.r_range()) tally.r_range[site] += count;
      }
      Tensor target;
      if (teacher != nullptr) {
        target = teacher->logits(as_seen_by(teacher->preprocessing, model.preprocessing, seen));
      }
      tally.add(logits, target, labels);
    }
    monitor.progress("eval", static_cast<int64_t>(plain.top1.size()), picture_count, "pictures");
  }
  if (plain.top1.empty()) throw InputError("eval: no picture could be read, expected at least one");

  const size_t images = plain.top1.size();
  Evaluation result{plain.judgement(),
                    static_cast<int64_t>(images),
                    static_cast<double>(images) / network_time.count(),
                    {}};
  for (const auto& [condition, tally] : tallies) {
    if (condition != Condition::kPlain) result.under[condition] = tally.judgement();
  }
  return result;
}

Json to_json(const Evaluation& evaluation) {
  Json json = judgement_json(evaluation);
  json["images"] = evaluation.images;
  json["images_per_second"] = evaluation.images_per_second;
  for (const auto& [condition, judgement] : evaluation.under) {
    json["under"][to_string(condition)] = judgement_json(judgement);
  }
  return json;
}

}  // namespace normgraft
