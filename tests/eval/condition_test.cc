#include "normgraft/eval/condition.h"

#include <ATen/ATen.h>
#include <ATen/TensorIndexing.h>
#include <gtest/gtest.h>

#include <cmath>

#include "normgraft/core/error.h"
#include "normgraft/eval/under.h"

namespace normgraft {
namespace {

constexpr double kLuma[3] = {0.299, 0.587, 0.114};

/// One picture [1, 3, side, side] of these values before normalisation.
template <class Value>
Tensor normalised(int side, const Preprocessing& preprocessing, Value value) {
  Tensor image = at::empty({1, 3, side, side});
  auto to = image.accessor<float, 4>();
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < side; ++i)
      for (int j = 0; j < side; ++j) {
        const auto channel = static_cast<size_t>(c);
        to[0][c][i][j] =
            (static_cast<float>(value(c, i, j)) - preprocessing.mean[channel]) / preprocessing.std[channel];
      }
  return image;
}

/// Black but for one pixel of value 1 in the middle of 224 x 224, blurred; no normalisation.
Tensor blurred_impulse() {
  Tensor image = at::zeros({1, 3, 224, 224});
  image.index_put_({0, at::indexing::Slice(), 112, 112}, 1.0);
  return under(Condition::kBlur, image, Preprocessing{})[0].to(at::kDouble);
}

void expect_near(const Tensor& a, const Tensor& b, double tolerance) {
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_LE((a - b).abs().max().item<double>(), tolerance);
}

TEST(Condition, IsReadFromTheNameItPrints) {
  for (const Condition condition : {Condition::kPlain, Condition::kContrast, Condition::kBlur}) {
    EXPECT_EQ(condition_named(to_string(condition)), condition);
  }
  try {
    condition_named("fog");
    FAIL() << "fog was taken";
  } catch (const InputError& error) {
    const std::string what = error.what();
    for (const char* word : {"fog", "plain", "contrast", "blur"})
      EXPECT_NE(what.find(word), std::string::npos) << what;
  }
}

TEST(Condition, PlainPicturesStayWhatTheyAre) {
  const Tensor images = at::randn({2, 3, 8, 8});
  EXPECT_TRUE(under(Condition::kPlain, images, Preprocessing{}).is_same(images));
}

TEST(Condition, AGreyPictureOfOneValueKeepsItUnderContrastAndBlur) {
  const Preprocessing preprocessing;
  const Tensor grey = normalised(224, preprocessing, [](int, int, int) { return 0.7; });
  for (const Condition condition : {Condition::kContrast, Condition::kBlur}) {
    expect_near(under(condition, grey, preprocessing), grey, 1e-5);
  }
}

TEST(Condition, ContrastHalvesTheDistanceOfEachValueFromItsPicturesMeanLuma) {
  const Preprocessing preprocessing;
  const auto value = [](int picture) {
    return [picture](int c, int i, int j) {
      return ((c * 31 + i * 7 + j * 3 + picture * 11) % 17 + 5 * picture) / 22.0;
    };
  };
  std::vector<Tensor> given, expected;
  for (int picture = 0; picture < 2; ++picture) {
    const auto p = value(picture);
    double luma = 0;
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < 32; ++i)
        for (int j = 0; j < 32; ++j) luma += kLuma[c] * p(c, i, j) / (32 * 32);
    given.push_back(normalised(32, preprocessing, p));
    expected.push_back(
        normalised(32, preprocessing, [&](int c, int i, int j) { return (p(c, i, j) + luma) / 2; }));
  }
  expect_near(under(Condition::kContrast, at::cat(given), preprocessing), at::cat(expected), 1e-5);
}

TEST(Condition, BlurSpreadsAnImpulseAsAGaussianOfTwoPixelsInEachChannelAlike) {
  const Tensor spread = blurred_impulse();
  const Tensor offset = at::arange(-112, 112, at::kDouble);
  for (int c = 0; c < 3; ++c) {
    const Tensor rows = spread[c].sum(1), columns = spread[c].sum(0);
    EXPECT_NEAR(spread[c].sum().item<double>(), 1.0, 1e-5);
    EXPECT_NEAR((rows * offset).sum().item<double>(), 0.0, 1e-5);
    EXPECT_NEAR((columns * offset).sum().item<double>(), 0.0, 1e-5);
    EXPECT_NEAR((rows * offset.square()).sum().item<double>(), 4.0, 0.1);
    EXPECT_NEAR((columns * offset.square()).sum().item<double>(), 4.0, 0.1);
    EXPECT_NEAR(spread[c][112][112].item<double>() / spread[c][112][114].item<double>(), std::exp(0.5), 1e-4);
    EXPECT_EQ(spread[c][112][119].item<double>(), 0.0);
  }
}

TEST(Condition, BlurIsSymmetrical) {
  const Tensor around = blurred_impulse().slice(1, 100, 125).slice(2, 100, 125);
  for (const Tensor& turned : {around.flip(1), around.flip(2), around.transpose(1, 2)}) {
    expect_near(turned, around, 1e-7);
  }
}

TEST(Condition, BlurGrowsWithThePictureAndIsTheSameBeforeAndAfterNormalisation) {
  Tensor impulse = at::zeros({1, 3, 448, 448});
  impulse.index_put_({0, at::indexing::Slice(), 224, 224}, 1.0);
  const Tensor rows = under(Condition::kBlur, impulse, Preprocessing{})[0][1].to(at::kDouble).sum(1);
  const Tensor offset = at::arange(-224, 224, at::kDouble);
  EXPECT_NEAR((rows * offset.square()).sum().item<double>(), 16.0, 0.4);

  Preprocessing none;
  none.mean = {0, 0, 0};
  none.std = {1, 1, 1};
  const Preprocessing preprocessing;
  const auto value = [](int c, int i, int j) { return ((c * 31 + i * 7 + j * 3) % 17) / 16.0; };
  const Tensor before = under(Condition::kBlur, normalised(112, none, value), none);
  const Tensor after = under(Condition::kBlur, normalised(112, preprocessing, value), preprocessing);
  const auto from = before.accessor<float, 4>();
  expect_near(after, normalised(112, preprocessing, [&](int c, int i, int j) { return from[0][c][i][j]; }),
              1e-5);
}

TEST(Condition, BlurRepeatsTheEdgeBeyondIt) {
  const Tensor ramp = at::arange(224, at::kFloat).expand({1, 3, 224, 224}).contiguous();
  const Tensor row = under(Condition::kBlur, ramp, Preprocessing{})[0][0][0];
  double weight_sum = 0, left = 0;
  for (int k = -6; k <= 6; ++k) {
    const double weight = std::exp(-k * k / 8.0);
    weight_sum += weight;
    left += weight * std::max(0, k);
  }
  EXPECT_NEAR(row[0].item<double>(), left / weight_sum, 1e-4);
  EXPECT_NEAR(row[100].item<double>(), 100.0, 1e-3);
}

}  // namespace
}  // namespace normgraft
