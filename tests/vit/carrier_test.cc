#include "normgraft/vit/carrier.h"

#include <gtest/gtest.h>

#include "normgraft/vit/stream.h"
#include "vit/fixtures.h"

namespace normgraft {
namespace {

using testing::relative_error;
using testing::small_images;

/// A small network as carry_scale() wants it.
Vit blind_vit() {
  Vit vit = testing::small_vit();
  centre_stream(vit);
  blind_to_mean(vit);
  return vit;
}

/// The mean over tokens of (mean / (ratio * spread) - 1)^2 at every site but the first.
std::vector<double> relative_errors(const Vit& vit, const torch::Tensor& images, double ratio) {
  std::vector<double> errors;
  vit.forward(images, [&](size_t site, const torch::Tensor& x, const torch::Tensor&) {
    if (!carries_scale(vit, site)) return;
    const torch::Tensor spread = (x - x.mean(-1, true)).square().mean(-1).sqrt();
    errors.push_back((x.mean(-1) / (ratio * spread) - 1).square().mean().item<double>());
  });
  return errors;
}

TEST(CarryScale, LeavesTheLogitsOfLayerNormsAsTheyWere) {
  const torch::NoGradGuard no_grad;
  const Vit original = testing::small_vit();
  Vit vit = blind_vit();
  carry_scale(vit, small_images(32), {}, nullptr, silent_monitor());
  EXPECT_LT(relative_error(vit.forward(small_images(5)), original.forward(small_images(5))), 1e-4);
}

TEST(CarryScale, LetsTheMeanOfATokenForetellItsSpread) {
  const torch::NoGradGuard no_grad;
  Vit vit = blind_vit();
  const double ratio = carrier_ratio({}, 8);
  carry_scale(vit, small_images(64), {.ratio = 0, .damping = 1e-3}, nullptr, silent_monitor());
  double constant = 0, carried = 0;  // what a constant number, and what the carrier leaves
  size_t i = 0;
  const auto errors = relative_errors(vit, small_images(64), ratio);
  vit.forward(small_images(64), [&](size_t site, const torch::Tensor& x, const torch::Tensor&) {
    if (!carries_scale(vit, site)) return;
    const torch::Tensor inverse = (x - x.mean(-1, true)).square().mean(-1).rsqrt();
    const torch::Tensor best = inverse.sum() / inverse.square().sum();
    constant += (best * inverse - 1).square().mean().item<double>();
    carried += errors[i++];
  });
  EXPECT_LT(carried, 0.6 * constant);
}

TEST(CarryScale, FollowsTheSpreadThatAnotherNormalizerLeaves) {
  const torch::NoGradGuard no_grad;
  const double ratio = carrier_ratio({}, 8);
  Vit refitted = blind_vit();
  const auto half = [](const torch::Tensor& x) { return 0.5 * (x - x.mean(-1, true)); };
  Vit stale = blind_vit();
  carry_scale(stale, small_images(64), {}, nullptr, silent_monitor());
  stale.set_normalizer(1, half);
  refitted.set_normalizer(1, half);
  carry_scale(refitted, small_images(64), {}, nullptr, silent_monitor());
  EXPECT_LT(relative_errors(refitted, small_images(64), ratio)[1],
            relative_errors(stale, small_images(64), ratio)[1]);
}

TEST(CarryScale, DrawsTheStreamOfAGraftTowardsItsTeachers) {
  const torch::NoGradGuard no_grad;
  const Vit teacher = blind_vit();
  const auto distance = [&](const Vit& student) {
    std::vector<torch::Tensor> expected;
    double sum = 0;
    teacher.forward(small_images(64), [&](size_t, const torch::Tensor& x, const torch::Tensor&) {
      expected.push_back(x - x.mean(-1, true));
    });
    student.forward(small_images(64), [&](size_t site, const torch::Tensor& x, const torch::Tensor&) {
      sum += (x - x.mean(-1, true) - expected[site]).square().sum().item<double>();
    });
    return sum;
  };
  const auto smaller = [](const torch::Tensor& x) { return 0.6 * at::layer_norm(x, {8}, {}, {}, 1e-6); };
  Vit alone = blind_vit(), drawn = blind_vit();
  for (Vit* vit : {&alone, &drawn}) vit->set_normalizer(1, smaller);
  const CarrierOptions options{.ratio = 0, .damping = 1e-3};
  carry_scale(alone, small_images(64), options, nullptr, silent_monitor());
  carry_scale(drawn, small_images(64), options, &teacher, silent_monitor());
  EXPECT_LT(distance(drawn), 0.5 * distance(alone));
}

TEST(CarryScale, ServesANormBehindThePooling) {
  const torch::NoGradGuard no_grad;
  VitConfig config = testing::small_config();
  Tensors tensors = testing::small_tensors();
  config.average_pool = true;
  for (const std::string part : {".weight", ".bias"}) {
    tensors["fc_norm" + part] = tensors["norm" + part];
    tensors.erase("norm" + part);
  }
  const Vit original(config, testing::small_preprocessing(), tensors);
  Vit vit = original;
  centre_stream(vit);
  blind_to_mean(vit);
  carry_scale(vit, small_images(64), {}, nullptr, silent_monitor());
  EXPECT_LT(relative_error(vit.forward(small_images(5)), original.forward(small_images(5))), 1e-4);
  EXPECT_LT(relative_errors(vit, small_images(64), carrier_ratio({}, 8)).back(), 0.1);
}

TEST(CarriedLog, IsLayerNormWhereTheMeanCarriesTheSpreadButForANumberForAllChannels) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  constexpr double kRatio = 1000;
  const torch::Tensor spread = torch::rand({50, 1}) + 0.2;
  torch::Tensor x = torch::randn({50, 8});
  const torch::Tensor y = (x - x.mean(1, true)) / x.std(1, false, true);
  x = spread * (y + kRatio);
  const torch::Tensor f = carried_log(x, kRatio);
  EXPECT_LT((f - f.mean(1, true) - y).abs().max().item<double>(), 0.01);
  EXPECT_LT((f - carried_offset(x, kRatio) - y).abs().max().item<double>(), 0.01);
}

TEST(CarriedLog, GoesOnStraightWhereALogarithmWouldEnd) {
  const torch::Tensor x = torch::tensor({-10.0, 0.0, 1.0, 2.0}, torch::kFloat64);
  const torch::Tensor f = carried_log(x, 20);
  EXPECT_NEAR(f[3].item<double>(), 20 * std::log(0.1), 1e-9);
  for (int64_t i = 0; i < 3; ++i)
    EXPECT_NEAR((f[3] - f[i]).item<double>(), 10 * (2 - x[i].item<double>()), 1e-9);
}

TEST(CarryScale, RefusesARatioThatWouldLetXCrossZero) {
  Vit vit = blind_vit();
  EXPECT_EQ(testing::input_error([&] {
              carry_scale(vit, small_images(2), {.ratio = 2, .damping = 0.1}, nullptr, silent_monitor());
            }),
            "carrier: ratio is 2, expected more than the root of the number of channels, or 0");
  EXPECT_EQ(testing::input_error([&] {
              carry_scale(vit, small_images(2), {.ratio = 0, .damping = 0}, nullptr, silent_monitor());
            }),
            "carrier: damping is 0, expected a number above 0");
}

}  // namespace
}  // namespace normgraft
