#include "normgraft/eval/condition.h"

#include <fmt/format.h>

#include <cmath>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

constexpr double kContrastFactor = 0.5;
constexpr double kBlurSigma = 2.0 / 224;  // of the height

/// One value for each of the channels, to be spread over [B, 3, H, W].
torch::Tensor by_channel(const std::array<float, 3>& values) {
  return torch::tensor({values[0], values[1], values[2]}).view({1, 3, 1, 1});
}

torch::Tensor with_less_contrast(const torch::Tensor& images, const Preprocessing& preprocessing) {
  const torch::Tensor mean = by_channel(preprocessing.mean), std = by_channel(preprocessing.std);
  const torch::Tensor values = images * std + mean;
  const torch::Tensor luma = (values * by_channel({0.299F, 0.587F, 0.114F})).sum(1, true).mean({2, 3}, true);
  return (luma + kContrastFactor * (values - luma) - mean) / std;
}

/// Each channel by itself and with weights of sum 1, so that it does not matter that the pictures are
/// normalised.
torch::Tensor blurred(const torch::Tensor& images) {
  namespace F = torch::nn::functional;
  const double sigma = kBlurSigma * static_cast<double>(images.size(2));
  const auto radius = static_cast<int64_t>(std::ceil(3 * sigma));
  const torch::Tensor distance = torch::arange(-radius, radius + 1, torch::kFloat64) / sigma;
  const torch::Tensor kernel =
      (distance.square() * -0.5).softmax(0).to(torch::kFloat32).expand({3, 1, 1, -1});
  const torch::Tensor padded =
      F::pad(images, F::PadFuncOptions({radius, radius, radius, radius}).mode(torch::kReplicate));
  const auto options = F::Conv2dFuncOptions().groups(3);
  return F::conv2d(F::conv2d(padded, kernel, options), kernel.transpose(2, 3), options);
}

}  // namespace

Condition condition_named(const std::string& name) {
  if (name == "plain") return Condition::kPlain;
  if (name == "contrast") return Condition::kContrast;
  if (name == "blur") return Condition::kBlur;
  throw InputError(fmt::format("unknown condition \"{}\", expected plain, contrast or blur", name));
}

std::string to_string(Condition condition) {
  switch (condition) {
    case Condition::kContrast:
      return "contrast";
    case Condition::kBlur:
      return "blur";
    case Condition::kPlain:
      break;
  }
  return "plain";
}

torch::Tensor under(Condition condition, const torch::Tensor& images, const Preprocessing& preprocessing) {
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
