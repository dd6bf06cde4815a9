#include "normgraft/network/carrier.h"

#include <gtest/gtest.h>

#include "network/fixtures.h"
#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

using testing::relative_error;
using testing::small_images;

/// A small network as carry_scale() wants it.
Network blind_vit() {
  Network vit = testing::small_vit();
  centre_stream(vit);
  blind_to_mean(vit);
  return vit;
}

/// The mean over tokens of (mean / (ratio * spread) - 1)^2 at every site but the first.
std::vector<double> relative_errors(const Network& vit, const Tensor& images, double ratio) {
  std::vector<double> errors;
  vit.forward(images, [&](size_t site, const Tensor& x, const Tensor&) {
    if (vit.sites()[site].carried.ratio == 0) return;
    const Tensor spread = (x - x.mean(-1, true)).square().mean(-1).sqrt();
    errors.push_back((x.mean(-1) / (ratio * spread) - 1).square().mean().item<double>());
  });
  return errors;
}

TEST(CarryScale, LeavesTheLogitsOfLayerNormsAsTheyWere) {
  const at::NoGradGuard no_grad;
  const Network original = testing::small_vit();
  Network vit = blind_vit();
  carry_scale(vit, {small_images(32), {}}, {}, nullptr, silent_monitor());
  EXPECT_LT(relative_error(vit.forward(small_images(5)), original.forward(small_images(5))), 1e-4);
}

TEST(CarryScale, LetsTheMeanOfATokenForetellItsSpread) {
  const at::NoGradGuard no_grad;
  Network vit = blind_vit();
  const double ratio = carrier_ratio({}, 8);
  carry_scale(vit, {small_images(64), {}}, {.ratio = 0, .damping = 1e-3}, nullptr, silent_monitor());
  double constant = 0, carried = 0;  // what a constant number, and what the carrier leaves
  size_t i = 0;
  const auto errors = relative_errors(vit, small_images(64), ratio);
  vit.forward(small_images(64), [&](size_t site, const Tensor& x, const Tensor&) {
    if (vit.sites()[site].carried.ratio == 0) return;
    const Tensor inverse = (x - x.mean(-1, true)).square().mean(-1).rsqrt();
    const Tensor best = inverse.sum() / inverse.square().sum();
    constant += (best * inverse - 1).square().mean().item<double>();
    carried += errors[i++];
  });
  EXPECT_LT(carried, 0.6 * constant);
}

TEST(CarryScale, FollowsTheSpreadThatAnotherNormalizerLeaves) {
  const at::NoGradGuard no_grad;
  const double ratio = carrier_ratio({}, 8);
  Network refitted = blind_vit();
  const auto half = [](const Tensor& x) { return 0.5 * (x - x.mean(-1, true)); };
  Network stale = blind_vit();
  carry_scale(stale, {small_images(64), {}}, {}, nullptr, silent_monitor());
  stale.set_normalizer(1, half);
  refitted.set_normalizer(1, half);
  carry_scale(refitted, {small_images(64), {}}, {}, nullptr, silent_monitor());
  EXPECT_LT(relative_errors(refitted, small_images(64), ratio)[1],
            relative_errors(stale, small_images(64), ratio)[1]);
}

TEST(CarryScale, KeepsTheRatioThatTheStreamAlreadyHas) {
  const at::NoGradGuard no_grad;
  Network vit = blind_vit();
  const double ratio = carrier_ratio({}, 8) / 2;
  carry_scale(vit, {small_images(64), {}}, {.ratio = ratio}, nullptr, silent_monitor());
  carry_scale(vit, {small_images(64), {}}, {}, nullptr, silent_monitor());
  for (const Site& site : vit.sites()) {
    EXPECT_DOUBLE_EQ(site.carried.ratio, site.writer ? ratio : 0) << site.name;
  }
  EXPECT_LT(relative_errors(vit, small_images(64), ratio).back(), 0.1);
}

TEST(CarryScale, DrawsTheStreamOfAGraftTowardsItsTeachers) {
  const at::NoGradGuard no_grad;
  const Network teacher = blind_vit();
  const auto distance = [&](const Network& student) {
    std::vector<Tensor> expected;
    double sum = 0;
    teacher.forward(small_images(64), [&](size_t, const Tensor& x, const Tensor&) {
      expected.push_back(x - x.mean(-1, true));
    });
    student.forward(small_images(64), [&](size_t site, const Tensor& x, const Tensor&) {
      sum += (x - x.mean(-1, true) - expected[site]).square().sum().item<double>();
    });
    return sum;
  };
  const auto smaller = [](const Tensor& x) { return 0.6 * at::layer_norm(x, {8}, {}, {}, 1e-6); };
  Network alone = blind_vit(), drawn = blind_vit();
  for (Network* vit : {&alone, &drawn}) vit->set_normalizer(1, smaller);
  const CarrierOptions options{.ratio = 0, .damping = 1e-3};
  carry_scale(alone, {small_images(64), {}}, options, nullptr, silent_monitor());
  carry_scale(drawn, {small_images(64), {}}, options, &teacher, silent_monitor());
  EXPECT_LT(distance(drawn), 0.5 * distance(alone));
}

TEST(CarryScale, ServesANormBehindThePooling) {
  const at::NoGradGuard no_grad;
  VitConfig config = testing::small_config();
  Tensors tensors = testing::small_tensors();
  config.pooling = Pooling::kAverage;
  config.norm_behind_pooling = true;
  for (const std::string part : {".weight", ".bias"}) {
    tensors["fc_norm" + part] = tensors["norm" + part];
    tensors.erase("norm" + part);
  }
  const Network original = make_vit(config, testing::small_preprocessing(), tensors);
  Network vit = original;
  centre_stream(vit);
  blind_to_mean(vit);
  carry_scale(vit, {small_images(64), {}}, {}, nullptr, silent_monitor());
  EXPECT_LT(relative_error(vit.forward(small_images(5)), original.forward(small_images(5))), 1e-4);
  EXPECT_LT(relative_errors(vit, small_images(64), carrier_ratio({}, 8)).back(), 0.1);
}

TEST(CarriedLog, IsLayerNormWhereTheMeanCarriesTheSpreadButForANumberForAllChannels) {
  const at::NoGradGuard no_grad;
  at::manual_seed(3);
  constexpr double kRatio = 1000;
  const Tensor spread = at::rand({50, 1}) + 0.2;
  Tensor x = at::randn({50, 8});
  const Tensor y = (x - x.mean(1, true)) / x.std(1, false, true);
  x = spread * (y + kRatio);
  const Tensor f = carried_log(x, kRatio);
  EXPECT_LT((f - f.mean(1, true) - y).abs().max().item<double>(), 0.01);
  EXPECT_LT((f - carried_offset(x, kRatio) - y).abs().max().item<double>(), 0.01);
}

TEST(CarriedLog, GoesOnStraightWhereALogarithmWouldEnd) {
  const Tensor x = at::tensor({-10.0, 0.0, 1.0, 2.0}, at::kDouble);
  const Tensor f = carried_log(x, 20);
  EXPECT_NEAR(f[3].item<double>(), 20 * std::log(0.1), 1e-9);
  for (int64_t i = 0; i < 3; ++i)
    EXPECT_NEAR((f[3] - f[i]).item<double>(), 10 * (2 - x[i].item<double>()), 1e-9);
}

TEST(CarryScale, RefusesARatioThatWouldLetXCrossZero) {
  Network vit = blind_vit();
  EXPECT_EQ(
      testing::input_error([&] {
        carry_scale(vit, {small_images(2), {}}, {.ratio = 2, .damping = 0.1}, nullptr, silent_monitor());
      }),
      "carrier: ratio is 2, expected more than the root of the number of channels, or 0");
  EXPECT_EQ(testing::input_error([&] {
              carry_scale(vit, {small_images(2), {}}, {.ratio = 0, .damping = 0}, nullptr, silent_monitor());
            }),
            "carrier: damping is 0, expected a number above 0");
}

TEST(CarriedLog, OffsetsStayFiniteWhereAMeanIsNotAboveZero) {
  const Tensor x = at::tensor({-3.0, -1.0, 4.0, 20.0, 30.0, 40.0}, at::kDouble).reshape({3, 2});
  const Tensor offset = carried_offset(x, 20);
  EXPECT_NEAR(offset[0].item<double>(), 20 * std::log(0.1), 1e-9);
  EXPECT_NEAR(offset[1].item<double>(), 20 * std::log(12.0 / 20), 1e-9);
  EXPECT_NEAR(offset[2].item<double>(), 20 * std::log(35.0 / 20), 1e-9);
}

TEST(CarryScale, KeepsXWithinAQuarterOfTheMeanThatCarries) {
  for (const int64_t channels : {8, 192}) {
    const double largest_y = std::sqrt(static_cast<double>(channels - 1));
    EXPECT_LE(largest_y, carrier_ratio({}, channels) / 4);
  }
}

}  // namespace
}  // namespace normgraft
