#include "normgraft/graft/yardstick.h"

#include <algorithm>

#include "normgraft/core/error.h"
#include "normgraft/vit/batches.h"

namespace normgraft {

torch::Tensor divergence(const torch::Tensor& teacher, const torch::Tensor& model) {
  const torch::Tensor p = teacher.to(torch::kFloat64).log_softmax(1);
  const torch::Tensor q = model.to(torch::kFloat64).log_softmax(1);
  return (p.exp() * (p - q)).sum(1);
}

Yardstick::Yardstick(const Vit& teacher, const std::vector<Picture>& pictures, Monitor& monitor) {
  const torch::NoGradGuard no_grad;
  if (teacher.config().classes == 0)
    throw InputError("the model predicts no classes, so no graft can be measured against it");
  images_ = read_images(pictures, teacher.preprocessing(), monitor);
  if (!images_.defined())
    throw InputError("no picture to measure the graft on could be read, expected at least one");
  logits_ = teacher.forward(images_);
}

torch::Tensor Yardstick::logits(const Vit& model) const {
  const torch::NoGradGuard no_grad;
  return model.forward(images_);
}

Distance Yardstick::measure(const Vit& model, int64_t pictures) const {
  const torch::NoGradGuard no_grad;
  const int64_t count = pictures > 0 ? std::min(pictures, images_.size(0)) : images_.size(0);
  const torch::Tensor expected = logits_.slice(0, 0, count);
  const torch::Tensor found = model.forward(images_.slice(0, 0, count));
  return {divergence(expected, found).mean().item<double>(),
          expected.argmax(1).eq(found.argmax(1)).to(torch::kFloat64).mean().item<double>()};
}

}  // namespace normgraft
