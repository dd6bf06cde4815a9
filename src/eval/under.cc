#include "normgraft/eval/under.h"

#include <ATen/ATen.h>

#include <cmath>

namespace normgraft {
namespace {

constexpr double kContrastFactor = 0.5;
constexpr double kBlurSigma = 2.0 / 224;  // of the height

/// One value for each of the channels, to be spread over [B, 3, H, W].
Tensor by_channel(const std::array<float, 3>& values) {
  return at::tensor({values[0], values[1], values[2]}).view({1, 3, 1, 1});
}

Tensor with_less_contrast(const Tensor& images, const Preprocessing& preprocessing) {
  const Tensor mean = by_channel(preprocessing.mean), std = by_channel(preprocessing.std);
  const Tensor values = images * std + mean;
  const Tensor luma = (values * by_channel({0.299F, 0.587F, 0.114F})).sum(1, true).mean({2, 3}, true);
  return (luma + kContrastFactor * (values - luma) - mean) / std;
}

/// Each channel by itself and with weights of sum 1, so that it does not matter that the pictures are
/// normalised.
Tensor blurred(const Tensor& images) {
  const double sigma = kBlurSigma * static_cast<double>(images.size(2));
  const auto radius = static_cast<int64_t>(std::ceil(3 * sigma));
  const Tensor distance = at::arange(-radius, radius + 1, at::kDouble) / sigma;
  const Tensor kernel = (distance.square() * -0.5).softmax(0).to(at::kFloat).expand({3, 1, 1, -1});
  const Tensor padded = at::replication_pad2d(images, {radius, radius, radius, radius});
  const auto each = [](const Tensor& x, const Tensor& weights) {
    return at::conv2d(x, weights, {}, at::IntArrayRef{1}, at::IntArrayRef{0}, at::IntArrayRef{1},
                      /*groups=*/3);
  };
  return each(each(padded, kernel), kernel.transpose(2, 3));
}

}  // namespace

Tensor under(Condition condition, const Tensor& images, const Preprocessing& preprocessing) {
  switch (condition) {
    case Condition::kContrast:
      return with_less_contrast(images, preprocessing);
    case Condition::kBlur:
      return blurred(images);
    case Condition::kPlain:
      break;
  }
  return images;
}

}  // namespace normgraft
