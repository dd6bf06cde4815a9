#include "trainer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/serialize.h>

#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <sstream>

#include "normgraft/core/shuffle.h"
#include "normgraft/core/timer.h"
#include "normgraft/data/loader.h"
#include "normgraft/network/batches.h"

namespace normgraft {
namespace {

bool is_gamma_or_beta(const Site& site, const std::string& name) {
  return name == site.gamma || name == site.beta;
}

bool is_trained(const Graft& student, const std::string& name, RealignMode mode) {
  const auto& sites = student.network().sites();
  if (mode == RealignMode::kFull || mode == RealignMode::kDistill) return true;
  for (size_t i = 0; i < sites.size(); ++i) {
    if (mode == RealignMode::kAffine && is_gamma_or_beta(sites[i], name)) return true;
    if (mode != RealignMode::kConstants || !student.has_function(i)) continue;
    if (is_gamma_or_beta(sites[i], name)) return true;
    if (sites[i].writer && name == sites[i].writer->linear.bias) return true;
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

Trainer::Trainer(Graft& student, const Network* teacher, std::vector<Picture> train,
                 std::vector<Picture> choose, const RealignOptions& options, std::string identity,
                 Path folder, Monitor& monitor)
    : student_(student),
      teacher_(teacher),
      train_(std::move(train)),
      choose_(std::move(choose)),
      options_(options),
      identity_(std::move(identity)),
      folder_(std::move(folder)),
      monitor_(monitor) {
  std::vector<Tensor> matrices, others;
  for (auto& [name, tensor] : student_.network().tensors()) {
    tensor = tensor.detach().clone();
    if (!is_trained(student_, name, options_.mode) || !tensor.is_floating_point()) continue;
    tensor.set_requires_grad(true);
    (tensor.dim() >= 2 ? matrices : others).push_back(tensor);
  }
  if (options_.mode != RealignMode::kAffine) {
    for (size_t site = 0; site < student_.network().sites().size(); ++site) {
      if (student_.has_function(site) && student_.constants(site).numel() > 0) {
        others.push_back(student_.constants(site).set_requires_grad(true));
      }
    }
  }
  const auto group = [&](std::vector<Tensor> tensors, double weight_decay) {
    auto settings = std::make_unique<torch::optim::AdamWOptions>(options_.rate);
    settings->weight_decay(weight_decay);
    return torch::optim::OptimizerParamGroup(std::move(tensors), std::move(settings));
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  if (!matrices.empty()) groups.push_back(group(matrices, options_.weight_decay));
  groups.push_back(group(others, 0.0));
  if (options_.mode == RealignMode::kConstants) {
    slopes_ = trained_slopes(student_.network(), [&](size_t site) { return student_.has_function(site); });
    std::vector<Tensor> changes;
    for (const TrainedSlopes& slopes : slopes_) changes.push_back(slopes.change());
    if (!changes.empty()) groups.push_back(group(changes, options_.weight_decay));
  }
  optimizer_ =
      std::make_unique<torch::optim::AdamW>(std::move(groups), torch::optim::AdamWOptions(options_.rate));
  parameters_ = matrices;
  parameters_.insert(parameters_.end(), others.begin(), others.end());
  plain_ = parameters_.size();
  for (TrainedSlopes& slopes : slopes_) {
    parameters_.push_back(slopes.change());
    slopes.place();
  }
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

Tensor Trainer::loss(const Tensor& logits, const Tensor& teacher, const Tensor& labels) const {
  const double w = label_share(options_);
  Tensor total = at::zeros({});
  if (w > 0) total = total + w * at::cross_entropy_loss(logits, labels);
  if (w < 1) {
    const Tensor target = (teacher / options_.temperature).log_softmax(1);
    const Tensor own = (logits / options_.temperature).log_softmax(1);
    const Tensor divergence = (target.exp() * (target - own)).sum(1).mean();
    total = total + (1 - w) * options_.temperature * options_.temperature * divergence;
  }
  return total;
}

Tensor Trainer::teacher_logits(const Tensor& images, const Network::Observer& observer) const {
  if (teacher_ == nullptr || !needs_teacher(options_)) return {};
  const at::NoGradGuard no_grad;
  return teacher_->forward(images, observer);
}

double Trainer::add_gradients(const Tensor& images, const Tensor& labels, double share,
                              const std::vector<Tensor>& by, std::vector<Tensor>& gradients) const {
  StreamHint::Streams teacher_streams, student_streams;
  const Tensor teacher = teacher_logits(images, hint_ ? hint_->watch(teacher_streams) : nullptr);
  const Tensor logits = student_.forward(images, hint_ ? hint_->watch(student_streams) : nullptr);
  const Tensor objective = share * loss(logits, teacher, labels);
  Tensor total = objective;
  if (hint_) {
    const double scale = options_.hint * share / static_cast<double>(images.size(0));
    total = total + 0.5 * scale * hint_->distance(student_streams, teacher_streams);
  }
  const auto found = torch::autograd::grad({total}, by, {}, /*retain_graph=*/false, /*create_graph=*/false,
                                           /*allow_unused=*/true);
  const at::NoGradGuard no_grad;
  gradients.resize(by.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i].defined()) gradients[i] = gradients[i].defined() ? gradients[i] + found[i] : found[i];
  }
  return objective.item<double>();
}

std::vector<Tensor> Trainer::differentiated() const {
  std::vector<Tensor> by(parameters_.begin(), parameters_.begin() + static_cast<ptrdiff_t>(plain_));
  for (const TrainedSlopes& slopes : slopes_) {
    for (const Tensor& leaf : slopes.leaves()) by.push_back(leaf);
  }
  return by;
}

double Trainer::find_gradients(const Tensor& images, const Tensor& labels) {
  struct Part {
    double loss = 0;
    std::vector<Tensor> gradients;
  };
  std::vector<Part> parts(chunk_threads());
  const std::vector<Tensor> by = differentiated();
  const auto add = [&](Part& part, const Tensor& some, int64_t first) {
    const at::AutoGradMode with_grad(true);
    const double share = static_cast<double>(some.size(0)) / static_cast<double>(images.size(0));
    const Tensor own = labels.slice(0, first, first + some.size(0));
    part.loss += add_gradients(some, own, share, by, part.gradients);
  };
  // Stochastic depth draws from one stream, so its pictures stay together.
  if (options_.drop_path > 0) {
    add(parts[0], images, 0);
    parts.resize(1);
  } else {
    parts.resize(for_chunks(
        images, [&](size_t thread, const Chunk& chunk) { add(parts[thread], chunk.images, chunk.first); }));
  }
  const at::NoGradGuard no_grad;
  double total = 0;
  std::vector<Tensor> sums(by.size());
  for (size_t i = 0; i < by.size(); ++i) {
    for (const Part& part : parts) {
      if (part.gradients[i].defined())
        sums[i] = sums[i].defined() ? sums[i] + part.gradients[i] : part.gradients[i];
    }
  }
  for (size_t i = 0; i < plain_; ++i) parameters_[i].mutable_grad() = sums[i];
  size_t leaf = plain_;
  for (size_t i = 0; i < slopes_.size(); ++i) {
    const size_t leaves = slopes_[i].leaves().size();
    parameters_[plain_ + i].mutable_grad() = slopes_[i].gradient(std::span(sums).subspan(leaf, leaves));
    leaf += leaves;
  }
  for (const Part& part : parts) total += part.loss;
  return total;
}

void Trainer::run_epoch() {
  const Timer timer;
  EpochMetrics metrics;
  metrics.epoch = static_cast<int64_t>(history_.size());
  if (metrics.epoch > 0) train(metrics);
  // What is judged and saved has settled constants; training goes on with those it has.
  std::map<size_t, Tensor> moving;
  for (size_t site = 0; site < student_.network().sites().size(); ++site) {
    if (student_.has_function(site)) moving[site] = student_.constants(site);
  }
  const std::vector<std::string> back = student_.settle_constants();
  if (!back.empty()) {
    monitor_.notice(
        fmt::format("realign, epoch {}: no proof holds for the constants of {}, their first ones are saved",
                    metrics.epoch, fmt::join(back, ", ")));
  }
  const RealignScore found = score(choose_);
  metrics.held_out_loss = found.loss;
  metrics.held_out_top1 = found.top1;
  metrics.held_out_agreement = found.agreement;
  metrics.seconds = timer.seconds();
  history_.push_back(metrics);
  save();
  for (const auto& [site, constants] : moving) student_.constants(site) = constants;
}

void Trainer::set_rate(double rate) {
  auto& groups = optimizer_->param_groups();
  for (size_t i = 0; i < groups.size(); ++i) {
    const bool tells_r = !slopes_.empty() && i + 1 == groups.size();
    static_cast<torch::optim::AdamWOptions&>(groups[i].options()).lr(tells_r ? rate * options_.r_rate : rate);
  }
}

void Trainer::train(EpochMetrics& metrics) {
  const Timer timer;
  const int64_t epoch = metrics.epoch;
  const Preprocessing& preprocessing = student_.network().preprocessing();
  Loader loader(
      shuffled(train_, options_.seed, epoch),
      [&](const Image& image, int64_t position, std::span<float> chw) {
        Random random({options_.seed, static_cast<uint64_t>(epoch), static_cast<uint64_t>(position)});
        augment(image, options_.augmentation, preprocessing, random, chw);
      },
      preprocessing.height, preprocessing.width, {options_.batch, options_.threads, 4}, monitor_);

  at::manual_seed(Random({options_.seed, 0xd09, static_cast<uint64_t>(epoch)})());
  student_.network().set_drop_path(options_.drop_path);
  int64_t images_done = 0;
  while (const auto batch = loader.next()) {
    monitor_.check();
    metrics.rate = rate_at((epoch - 1) * steps_per_epoch() + metrics.steps);
    set_rate(metrics.rate);
    const Tensor images = images_tensor(*batch, preprocessing);
    metrics.loss += find_gradients(images, labels_tensor(*batch));
    if (options_.clip_norm > 0) torch::nn::utils::clip_grad_norm_(parameters_, options_.clip_norm);
    optimizer_->step();
    for (TrainedSlopes& slopes : slopes_) slopes.place();
    ++metrics.steps;
    images_done += batch->size();
    monitor_.progress(fmt::format("realign, epoch {} of {}", epoch, options_.epochs), images_done,
                      static_cast<int64_t>(train_.size()), "pictures",
                      fmt::format("loss {:.4f}", metrics.loss / static_cast<double>(metrics.steps)));
  }
  student_.network().set_drop_path(0);
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

RealignScore Trainer::score(const std::vector<Picture>& pictures) const {
  const at::NoGradGuard no_grad;
  const Preprocessing& preprocessing = student_.network().preprocessing();
  Loader loader(pictures, evaluation_transform(preprocessing), preprocessing.height, preprocessing.width,
                {options_.batch, options_.threads, 4}, monitor_);
  RealignScore sum;
  double images = 0;
  while (const auto batch = loader.next()) {
    const Tensor pixels = images_tensor(*batch, preprocessing);
    const Tensor labels = labels_tensor(*batch);
    const Tensor logits = student_.forward(pixels);
    const auto size = static_cast<double>(batch->size());
    const Tensor teacher = teacher_logits(pixels);
    sum.loss += loss(logits, teacher, labels).item<double>() * size;
    if (teacher.defined()) sum.agreement += logits.argmax(1).eq(teacher.argmax(1)).sum().item<double>();
    if (needs_labels(options_)) sum.top1 += logits.argmax(1).eq(labels).sum().item<double>();
    images += size;
  }
  if (images == 0) throw InputError("realign: no picture to judge by could be read, expected at least one");
  return {sum.loss / images, needs_labels(options_) ? sum.top1 / images : kUnknown,
          needs_teacher(options_) ? sum.agreement / images : kUnknown};
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
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor value;
    archive.read(fmt::format("parameter{}", i), value);
    parameters_[i].copy_(value);
  }
  for (TrainedSlopes& slopes : slopes_) slopes.place();
  torch::serialize::InputArchive optimizer;
  archive.read("optimizer", optimizer);
  optimizer_->load(optimizer);
  monitor_.notice(fmt::format("realign goes on after epoch {} of {}", history_.size() - 1, options_.epochs));
}

}  // namespace normgraft
