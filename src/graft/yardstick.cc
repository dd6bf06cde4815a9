#include "normgraft/graft/yardstick.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "normgraft/core/error.h"
#include "normgraft/network/batches.h"

namespace normgraft {

Tensor divergence(const Tensor& teacher, const Tensor& model) {
  const Tensor p = teacher.to(at::kDouble).log_softmax(1);
  const Tensor q = model.to(at::kDouble).log_softmax(1);
  return (p.exp() * (p - q)).sum(1);
}

Yardstick::Yardstick(const Network& teacher, const std::vector<Picture>& pictures, Monitor& monitor) {
  const at::NoGradGuard no_grad;
  if (teacher.classes() < 2) {
    throw InputError(
        fmt::format("the model predicts {} classes, expected at least 2 to measure a graft by its answers",
                    teacher.classes()));
  }
  images_ = read_images(pictures, teacher.preprocessing(), "yardstick", monitor);
  logits_ = teacher.forward(images_);
}

Tensor Yardstick::logits(const Network& model) const {
  const at::NoGradGuard no_grad;
  return model.forward(images_);
}

Distance Yardstick::measure(const Network& model, int64_t pictures) const {
  const at::NoGradGuard no_grad;
  const int64_t count = pictures > 0 ? std::min(pictures, images_.size(0)) : images_.size(0);
  const Tensor expected = logits_.slice(0, 0, count);
  const Tensor found = model.forward(images_.slice(0, 0, count));
  return {divergence(expected, found).mean().item<double>(),
          expected.argmax(1).eq(found.argmax(1)).to(at::kDouble).mean().item<double>()};
}

}  // namespace normgraft
