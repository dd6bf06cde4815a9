#include "unit_training.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "normgraft/network/kernels.h"

namespace normgraft {
namespace {

constexpr int64_t kBatch = 512;
constexpr int64_t kSteps = 768;
constexpr double kRate = 1e-2, kWarmUp = 0.2;  ///< the share of the steps in which the rate rises
constexpr double kStart = 0.5;                 ///< standard deviation of what enters a new unit
constexpr double kLeastScale = 1e-6;           ///< of a channel of z: units do not see one that varies less

/// Adam (arXiv 1412.6980) over a few tensors.
class Adam {
 public:
  explicit Adam(std::vector<Tensor> values) : values_(std::move(values)) {
    for (const Tensor& value : values_) {
      first_.push_back(at::zeros_like(value));
      second_.push_back(at::zeros_like(value));
    }
  }

  const std::vector<Tensor>& values() const { return values_; }

  void step(const std::vector<Tensor>& gradients, double rate) {
    const at::NoGradGuard no_grad;
    ++steps_;
    const double first = 1 - std::pow(kFirst, steps_), second = 1 - std::pow(kSecond, steps_);
    for (size_t i = 0; i < values_.size(); ++i) {
      first_[i].lerp_(gradients[i], 1 - kFirst);
      second_[i].mul_(kSecond).addcmul_(gradients[i], gradients[i], 1 - kSecond);
      values_[i].addcdiv_(first_[i], (second_[i] / second).sqrt_().add_(kEps), -rate / first);
    }
  }

 private:
  static constexpr double kFirst = 0.9, kSecond = 0.999, kEps = 1e-8;
  std::vector<Tensor> values_, first_, second_;
  int64_t steps_ = 0;
};

/// Rises, then falls along half a cosine to 0.
double rate_at(int64_t step) {
  const double done = (static_cast<double>(step) + 0.5) / static_cast<double>(kSteps);
  if (done < kWarmUp) return kRate * done / kWarmUp;
  return kRate * 0.5 * (1 + std::cos(std::numbers::pi * (done - kWarmUp) / (1 - kWarmUp)));
}

Tensor output(const std::vector<Tensor>& values, const std::string& activation, const Tensor& z) {
  return at::addmv(values[3], activate(activation, at::addmm(values[1], z, values[0].t())), values[2]);
}

}  // namespace

Tensor Units::operator()(const std::string& activation, const Tensor& z) const {
  return activate(activation, linear(z, weight, bias)).matmul(out) + offset;
}

UnitRows UnitRows::slice(int64_t from, int64_t to) const {
  return {z.slice(0, from, to), target.slice(0, from, to), weight.slice(0, from, to)};
}

double UnitRows::error(const std::string& activation, const Units& units) const {
  return ((units(activation, z) - target).square() * weight).sum().item<double>();
}

Units train_units(const UnitRows& rows, const Units& start, const std::string& activation, uint64_t seed) {
  const int64_t count = rows.z.size(0), batch = std::min(kBatch, count), batches = count / batch;
  const int64_t units = start.weight.size(0), channels = start.weight.size(1);
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const Tensor mean = rows.z.mean(0), scale = rows.z.std(0);
  const Tensor inverse = at::where(scale > kLeastScale, scale.reciprocal(), at::zeros({}));
  const Tensor z = (rows.z - mean) * inverse, weight = rows.weight / rows.weight.mean();
  const Tensor spread_out = at::randn({units, channels}, generator) * (kStart / std::sqrt(channels));
  const bool fresh = !start.weight.any().item<bool>();
  std::vector<Tensor> values = {fresh ? spread_out : start.weight * scale,
                                start.bias + start.weight.matmul(mean), start.out.clone(),
                                at::full({1}, start.offset)};
  for (Tensor& value : values) value.requires_grad_();
  Adam adam(std::move(values));
  Tensor order;
  for (int64_t step = 0; step < kSteps; ++step) {
    const int64_t i = step % batches;
    if (i == 0) order = at::randperm(count, generator, at::kLong);
    const Tensor chosen = order.slice(0, i * batch, (i + 1) * batch);
    std::vector<Tensor> gradients;
    {
      const at::AutoGradMode with_gradients(true);
      const Tensor error =
          output(adam.values(), activation, z.index_select(0, chosen)) - rows.target.index_select(0, chosen);
      const Tensor loss = (error.square() * weight.index_select(0, chosen)).mean();
      gradients = torch::autograd::grad({loss}, adam.values());
    }
    adam.step(gradients, rate_at(step));
  }
  const auto& trained = adam.values();
  const Tensor in = trained[0].detach() * inverse;
  return {in, trained[1].detach() - in.matmul(mean), trained[2].detach(), trained[3].item<double>()};
}

}  // namespace normgraft
