#include "trainer.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <numbers>
#include <sstream>

#include "normgraft/core/shuffle.h"
#include "normgraft/core/timer.h"
#include "normgraft/data/loader.h"
#include "normgraft/vit/batches.h"

namespace normgraft {
namespace {

bool is_gamma_or_beta(const NormSite& site, const std::string& name) {
  return name == site.name + ".weight" || name == site.name + ".bias";
}

bool is_trained(const Graft& student, const std::string& name, RealignMode mode) {
  const auto& sites = student.vit().sites();
  if (mode == RealignMode::kFull || mode == RealignMode::kDistill) return true;
  for (size_t i = 0; i < sites.size(); ++i) {
    if (mode == RealignMode::kAffine && is_gamma_or_beta(sites[i], name)) return true;
    if (mode != RealignMode::kConstants || !student.has_function(i)) continue;
    if (is_gamma_or_beta(sites[i], name)) return true;
    if (!sites[i].previous_linear.empty() && name == sites[i].previous_linear + ".bias") return true;
  }
  return false;
}

/// The share of the cross-entropy with the labels in the loss.
double label_share(const RealignOptions& options) {
  if (options.mode == RealignMode::kConstants) return 0;
  return options.mode == RealignMode::kDistill ? options.label_weight : 1;
}

/// The pictures in the order of one epoch.
std::vector<Picture> shuffled(std::vector<Picture> pictures, uint64_t seed, int64_t epoch) {
  shuffle(pictures, Random({seed, 0x5eed, static_cast<uint64_t>(epoch)}));
  return pictures;
}

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

Json number_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

double number_or_unknown(const Json& value) {
  return value.is_number() ? value.get<double>() : kUnknown;
}

Json to_json(const EpochMetrics& m) {
  return Json{{"epoch", m.epoch},
              {"steps", m.steps},
              {"loss", m.steps > 0 ? Json(m.loss) : Json(nullptr)},
              {"rate", m.rate},
              {"held_out_loss", m.held_out_loss},
              {"held_out_top1", number_or_null(m.held_out_top1)},
              {"held_out_agreement", number_or_null(m.held_out_agreement)},
              {"seconds", m.seconds},
              {"images_per_second", m.images_per_second}};
}

EpochMetrics metrics_from_json(const Json& json) {
  EpochMetrics m;
  m.epoch = json.at("epoch");
  m.steps = json.at("steps");
  m.loss = m.steps > 0 ? json.at("loss").get<double>() : 0.0;
  m.rate = json.at("rate");
  m.held_out_loss = json.at("held_out_loss");
  m.held_out_top1 = number_or_unknown(json.at("held_out_top1"));
  m.held_out_agreement = number_or_unknown(json.at("held_out_agreement"));
  m.seconds = json.at("seconds");
  m.images_per_second = json.at("images_per_second");
  return m;
}

}  // namespace

Trainer::Trainer(Graft& student, const Vit* teacher, std::vector<Picture> train,
                 std::vector<Picture> held_out, const RealignOptions& options, std::string identity,
                 Path folder, Monitor& monitor)
    : student_(student),
      teacher_(teacher),
      train_(std::move(train)),
      held_out_(std::move(held_out)),
      options_(options),
      identity_(std::move(identity)),
      folder_(std::move(folder)),
      monitor_(monitor) {
  std::vector<torch::Tensor> matrices, others;
  for (auto& [name, tensor] : student_.vit().tensors()) {
    tensor = tensor.detach().clone();
    if (!is_trained(student_, name, options_.mode) || !tensor.is_floating_point()) continue;
    tensor.set_requires_grad(true);
    (tensor.dim() >= 2 ? matrices : others).push_back(tensor);
  }
  if (options_.mode != RealignMode::kAffine) {
    for (size_t site = 0; site < student_.vit().sites().size(); ++site) {
      if (student_.has_function(site) && student_.constants(site).numel() > 0) {
        others.push_back(student_.constants(site).set_requires_grad(true));
      }
    }
  }
  const auto group = [&](std::vector<torch::Tensor> tensors, double weight_decay) {
    auto settings = std::make_unique<torch::optim::AdamWOptions>(options_.rate);
    settings->weight_decay(weight_decay);
    return torch::optim::OptimizerParamGroup(std::move(tensors), std::move(settings));
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  if (!matrices.empty()) groups.push_back(group(matrices, options_.weight_decay));
  groups.push_back(group(others, 0.0));
  optimizer_ =
      std::make_unique<torch::optim::AdamW>(std::move(groups), torch::optim::AdamWOptions(options_.rate));
  parameters_ = matrices;
  parameters_.insert(parameters_.end(), others.begin(), others.end());
  if (options_.hint > 0) hint_.emplace(*teacher_, train_, options_.seed, monitor_);
}

int64_t Trainer::steps_per_epoch() const {
  return (static_cast<int64_t>(train_.size()) + options_.batch - 1) / options_.batch;
}

double Trainer::rate_at(int64_t step) const {
  const auto total = static_cast<double>(steps_per_epoch() * options_.epochs);
  const double warm = std::floor(options_.warmup * total);
  const auto now = static_cast<double>(step);
  if (now < warm) return options_.rate * (now + 1) / (warm + 1);
  if (!options_.cosine) return options_.rate;
  return options_.rate * 0.5 * (1 + std::cos(std::numbers::pi * (now - warm) / (total - warm)));
}

torch::Tensor Trainer::loss(const torch::Tensor& logits, const torch::Tensor& teacher,
                            const torch::Tensor& labels) const {
  const double w = label_share(options_);
  torch::Tensor total = torch::zeros({});
  if (w > 0) total = total + w * torch::cross_entropy_loss(logits, labels);
  if (w < 1) {
    const torch::Tensor target = (teacher / options_.temperature).log_softmax(1);
    const torch::Tensor own = (logits / options_.temperature).log_softmax(1);
    const torch::Tensor divergence = (target.exp() * (target - own)).sum(1).mean();
    total = total + (1 - w) * options_.temperature * options_.temperature * divergence;
  }
  return total;
}

torch::Tensor Trainer::teacher_logits(const torch::Tensor& images, const Vit::Observer& observer) const {
  if (teacher_ == nullptr || !needs_teacher(options_)) return {};
  const torch::NoGradGuard no_grad;
  return teacher_->forward(images, observer);
}

double Trainer::add_gradients(const torch::Tensor& images, const torch::Tensor& labels, double share,
                              std::vector<torch::Tensor>& gradients) const {
  StreamHint::Streams teacher_streams, student_streams;
  const torch::Tensor teacher = teacher_logits(images, hint_ ? hint_->watch(teacher_streams) : nullptr);
  const torch::Tensor logits = student_.forward(images, hint_ ? hint_->watch(student_streams) : nullptr);
  const torch::Tensor objective = share * loss(logits, teacher, labels);
  torch::Tensor total = objective;
  if (hint_) {
    const double scale = options_.hint * share / static_cast<double>(images.size(0));
    total = total + 0.5 * scale * hint_->distance(student_streams, teacher_streams);
  }
  const auto found =
      torch::autograd::grad({total}, parameters_, {}, /*retain_graph=*/false, /*create_graph=*/false,
                            /*allow_unused=*/true);
  const torch::NoGradGuard no_grad;
  gradients.resize(parameters_.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i].defined()) gradients[i] = gradients[i].defined() ? gradients[i] + found[i] : found[i];
  }
  return objective.item<double>();
}

double Trainer::find_gradients(const torch::Tensor& images, const torch::Tensor& labels) {
  // Stochastic depth draws from one stream, so its pictures stay together.
  const int64_t chunk = options_.drop_path > 0 || !images.is_cpu() ? images.size(0) : kChunk;
  const auto image_chunks = images.split(chunk), label_chunks = labels.split(chunk);
  struct Part {
    double loss = 0;
    std::vector<torch::Tensor> gradients;
  };
  std::map<int64_t, Part> parts;  // of each thread, by its first chunk: summed up in that order
  std::mutex mutex;
  at::parallel_for(0, static_cast<int64_t>(image_chunks.size()), 1, [&](int64_t begin, int64_t end) {
    const torch::AutoGradMode with_grad(true);
    Part part;
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const double share = static_cast<double>(image_chunks[i].size(0)) / static_cast<double>(images.size(0));
      part.loss += add_gradients(image_chunks[i], label_chunks[i], share, part.gradients);
    }
    const std::lock_guard lock(mutex);
    parts.emplace(begin, std::move(part));
  });
  const torch::NoGradGuard no_grad;
  double total = 0;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    torch::Tensor sum;
    for (auto& [begin, part] : parts) {
      if (part.gradients[i].defined()) sum = sum.defined() ? sum + part.gradients[i] : part.gradients[i];
    }
    parameters_[i].mutable_grad() = sum;
  }
  for (const auto& [begin, part] : parts) total += part.loss;
  return total;
}

void Trainer::run_epoch() {
  const Timer timer;
  EpochMetrics metrics;
  metrics.epoch = static_cast<int64_t>(history_.size());
  if (metrics.epoch > 0) train(metrics);
  judge(metrics);
  metrics.seconds = timer.seconds();
  history_.push_back(metrics);
  save();
}

void Trainer::train(EpochMetrics& metrics) {
  const Timer timer;
  const int64_t epoch = metrics.epoch;
  const Preprocessing& preprocessing = student_.vit().preprocessing();
  Loader loader(
      shuffled(train_, options_.seed, epoch),
      [&](const Image& image, int64_t position, std::span<float> chw) {
        Random random({options_.seed, static_cast<uint64_t>(epoch), static_cast<uint64_t>(position)});
        augment(image, options_.augmentation, preprocessing, random, chw);
      },
      preprocessing.height, preprocessing.width, {options_.batch, options_.threads, 4}, monitor_);

  torch::manual_seed(Random({options_.seed, 0xd09, static_cast<uint64_t>(epoch)})());
  student_.vit().set_drop_path(options_.drop_path);
  int64_t images_done = 0;
  while (const auto batch = loader.next()) {
    monitor_.check();
    metrics.rate = rate_at((epoch - 1) * steps_per_epoch() + metrics.steps);
    for (auto& group : optimizer_->param_groups()) {
      static_cast<torch::optim::AdamWOptions&>(group.options()).lr(metrics.rate);
    }
    const torch::Tensor images = images_tensor(*batch, preprocessing);
    metrics.loss += find_gradients(images, labels_tensor(*batch));
    if (options_.clip_norm > 0) torch::nn::utils::clip_grad_norm_(parameters_, options_.clip_norm);
    optimizer_->step();
    ++metrics.steps;
    images_done += batch->size();
    monitor_.progress(fmt::format("realign, epoch {} of {}", epoch, options_.epochs), images_done,
                      static_cast<int64_t>(train_.size()), "pictures",
                      fmt::format("loss {:.4f}", metrics.loss / static_cast<double>(metrics.steps)));
  }
  student_.vit().set_drop_path(0);
  if (metrics.steps == 0)
    throw std::runtime_error(fmt::format("epoch {} had no step: no picture could be read", epoch));
  metrics.loss /= static_cast<double>(metrics.steps);
  if (!std::isfinite(metrics.loss)) {
    throw std::runtime_error(
        fmt::format("training diverged: the loss of epoch {} is not finite; expected a lower rate than {}",
                    epoch, options_.rate));
  }
  metrics.images_per_second = static_cast<double>(images_done) / timer.seconds();
}

void Trainer::judge(EpochMetrics& metrics) {
  torch::NoGradGuard no_grad;
  const Preprocessing& preprocessing = student_.vit().preprocessing();
  Loader loader(held_out_, evaluation_transform(preprocessing), preprocessing.height, preprocessing.width,
                {options_.batch, options_.threads, 4}, monitor_);
  double images = 0;
  while (const auto batch = loader.next()) {
    const torch::Tensor pixels = images_tensor(*batch, preprocessing);
    const torch::Tensor labels = labels_tensor(*batch);
    const torch::Tensor logits = student_.forward(pixels);
    const auto size = static_cast<double>(batch->size());
    const torch::Tensor teacher = teacher_logits(pixels);
    metrics.held_out_loss += loss(logits, teacher, labels).item<double>() * size;
    if (teacher.defined())
      metrics.held_out_agreement += logits.argmax(1).eq(teacher.argmax(1)).sum().item<double>();
    if (needs_labels(options_)) metrics.held_out_top1 += logits.argmax(1).eq(labels).sum().item<double>();
    images += size;
  }
  metrics.held_out_loss /= images;
  metrics.held_out_top1 = needs_labels(options_) ? metrics.held_out_top1 / images : kUnknown;
  metrics.held_out_agreement = needs_teacher(options_) ? metrics.held_out_agreement / images : kUnknown;
}

int64_t Trainer::best_epoch() const {
  const auto best = std::min_element(history_.begin(), history_.end(), [](const auto& a, const auto& b) {
    return a.held_out_loss < b.held_out_loss;
  });
  return best->epoch;
}

void Trainer::save() const {
  if (best_epoch() == history_.back().epoch) save_graft(folder_, student_);
  save_graft(folder_ / "last", student_);

  std::string lines;
  for (const EpochMetrics& m : history_) lines += to_json(m).dump() + "\n";
  write_atomically(folder_ / "metrics.jsonl", lines);

  torch::serialize::OutputArchive archive;
  archive.write("identity", c10::IValue(identity_));
  archive.write("history", c10::IValue(lines));
  for (size_t i = 0; i < parameters_.size(); ++i)
    archive.write(fmt::format("parameter{}", i), parameters_[i].detach());
  torch::serialize::OutputArchive optimizer;
  optimizer_->save(optimizer);
  archive.write("optimizer", optimizer);
  write_atomically(folder_ / "checkpoints" / "last.pt", [&](std::ostream& out) { archive.save_to(out); });
}

void Trainer::resume(bool pass_over_others) {
  const Path file = folder_ / "checkpoints" / "last.pt";
  if (!std::filesystem::exists(file)) return;
  const auto fail = [&](const std::string& what) {
    throw InputError(fmt::format("checkpoint {}: {}", file.string(), what));
  };
  torch::serialize::InputArchive archive;
  c10::IValue identity, history;
  try {
    std::istringstream in(read_file(file, "checkpoint"));
    archive.load_from(in);
    archive.read("identity", identity);
    archive.read("history", history);
  } catch (const c10::Error&) {
    fail("it is damaged, expected a checkpoint of realign; remove it to start over");
  }
  if (identity.toStringRef() != identity_) {
    if (pass_over_others) return;
    fail(
        "it belongs to a run with other options, pictures or another start; expected the same, or another "
        "output folder");
  }
  std::istringstream lines(history.toStringRef());
  for (std::string line; std::getline(lines, line);) history_.push_back(metrics_from_json(Json::parse(line)));
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    torch::Tensor value;
    archive.read(fmt::format("parameter{}", i), value);
    parameters_[i].copy_(value);
  }
  torch::serialize::InputArchive optimizer;
  archive.read("optimizer", optimizer);
  optimizer_->load(optimizer);
  monitor_.notice(fmt::format("realign goes on after epoch {} of {}", history_.size() - 1, options_.epochs));
}

}  // namespace normgraft
