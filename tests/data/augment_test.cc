#include "normgraft/data/augment.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "data/support.h"

namespace normgraft {
namespace {

constexpr int kSide = 48;

/// Red grows to the right, green downwards; blue is constant.
Image slope(int width, int height) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      image.rgb.push_back(static_cast<uint8_t>(255 * x / width));
      image.rgb.push_back(static_cast<uint8_t>(255 * y / height));
      image.rgb.push_back(90);
    }
  }
  return image;
}

/// Pixels in [0, 1], kSide x kSide.
Preprocessing plain() {
  Preprocessing p;
  p.height = kSide, p.width = kSide;
  p.mean = {0, 0, 0};
  p.std = {1, 1, 1};
  return p;
}

Augmentation nothing() {
  Augmentation a;
  a.scale_low = a.scale_high = 1.0;
  a.flip = a.color_jitter = 0.0;
  return a;
}

std::vector<float> view(const Image& image, const Augmentation& a, uint64_t seed) {
  Random random({seed});
  std::vector<float> chw(3 * kSide * kSide);
  augment(image, a, plain(), random, chw);
  return chw;
}

float at(const std::vector<float>& chw, int channel, int y, int x) {
  return chw[static_cast<size_t>((channel * kSide + y) * kSide + x)];
}

TEST(Augment, WithEverythingOffGivesTheWholePicture) {
  const Image image = slope(kSide, kSide);
  std::vector<float> expected(3 * kSide * kSide);
  normalize(image, plain(), expected);
  for (uint64_t seed = 0; seed < 5; ++seed) EXPECT_EQ(view(image, nothing(), seed), expected);
}

TEST(Augment, DependsOnTheStreamAlone) {
  const Image image = slope(90, 60);
  Augmentation a;
  a.random_erasing = 0.5;
  a.rand_augment = 9;
  std::set<std::vector<float>> views;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(view(image, a, seed), view(image, a, seed));
    views.insert(view(image, a, seed));
  }
  EXPECT_EQ(views.size(), 20);
}

TEST(Augment, StaysInRangeWhateverIsDrawn) {
  const Image image = slope(61, 97);
  Augmentation a;
  a.scale_low = 0.05;
  a.rand_augment = 10;
  a.color_jitter = 0.9;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const std::vector<float> chw = view(image, a, seed);
    const auto [low, high] = std::minmax_element(chw.begin(), chw.end());
    EXPECT_GE(*low, 0.0F);
    EXPECT_LE(*high, 1.0F);
  }
}

TEST(Augment, CropsShareAndPlaceAsAsked) {
  const Image image = slope(200, 100);
  Augmentation a = nothing();
  a.scale_low = 0.2;
  a.scale_high = 0.5;
  double least = 1.0, most = 0.0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const std::vector<float> chw = view(image, a, seed);
    const double width = at(chw, 0, kSide / 2, kSide - 1) - at(chw, 0, kSide / 2, 0);
    const double height = at(chw, 1, kSide - 1, kSide / 2) - at(chw, 1, 0, kSide / 2);
    const double share = width * height;
    const double ratio = 2.0 * width / height;
    EXPECT_GT(ratio, 0.68);
    EXPECT_LT(ratio, 1.45);
    least = std::min(least, share);
    most = std::max(most, share);
  }
  EXPECT_NEAR(least, 0.2, 0.04);
  EXPECT_NEAR(most, 0.5, 0.06);
}

TEST(Augment, CropsAnyPlaceAsOften) {
  const Image image = slope(200, 200);
  Augmentation a = nothing();
  a.scale_low = 0.2;
  a.scale_high = 0.3;
  double across = 0, down = 0;
  constexpr int kViews = 400;
  for (uint64_t seed = 0; seed < kViews; ++seed) {
    const std::vector<float> chw = view(image, a, seed);
    const double left = at(chw, 0, 0, 0), right = at(chw, 0, 0, kSide - 1);
    const double top = at(chw, 1, 0, 0), bottom = at(chw, 1, kSide - 1, 0);
    across += left / (1 - (right - left)) / kViews;
    down += top / (1 - (bottom - top)) / kViews;
  }
  // Uniform in [0, 1]: a standard error of 0.29 / 20.
  EXPECT_NEAR(across, 0.5, 0.06);
  EXPECT_NEAR(down, 0.5, 0.06);
}

TEST(Augment, TakesTheMiddleOfAPictureTooNarrowForTheCrop) {
  const Image image = slope(2000, 20);
  Augmentation a = nothing();
  a.scale_low = 0.9;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> chw = view(image, a, seed);
    EXPECT_NEAR(at(chw, 0, 0, kSide / 2), 0.5, 0.02);
    EXPECT_NEAR(at(chw, 0, 0, kSide - 1) - at(chw, 0, 0, 0), 4.0 / 3 * 20 / 2000, 0.01);
  }
}

TEST(Augment, FlipsAboutTheShareAskedFor) {
  const Image image = slope(kSide, kSide);
  Augmentation a = nothing();
  a.flip = 0.3;
  int flipped = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const std::vector<float> chw = view(image, a, seed);
    flipped += at(chw, 0, 0, 0) > at(chw, 0, 0, kSide - 1);
  }
  EXPECT_NEAR(flipped, 300, 60);
}

TEST(Augment, JittersColoursWithinTheFactor) {
  const Image image{kSide, kSide, std::vector<uint8_t>(kSide * kSide * 3, 100)};
  Augmentation a = nothing();
  a.color_jitter = 0.4;
  float least = 255.0F, most = 0.0F;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const float level = view(image, a, seed)[0] * 255.0F;
    least = std::min(least, level);
    most = std::max(most, level);
  }
  EXPECT_GE(least, 58.0F);
  EXPECT_LE(most, 140.0F);
  EXPECT_LT(least, 65.0F);
  EXPECT_GT(most, 135.0F);
}

TEST(Augment, ErasesARectangleOfNormalNoise) {
  const Image image{kSide, kSide, std::vector<uint8_t>(kSide * kSide * 3, 51)};
  Augmentation a = nothing();
  a.random_erasing = 1.0;
  double sum = 0.0, squares = 0.0, count = 0.0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const std::vector<float> chw = view(image, a, seed);
    int erased = 0;
    for (float value : chw) {
      if (value == 0.2F) continue;
      ++erased;
      sum += value;
      squares += value * value;
    }
    const double share = erased / static_cast<double>(chw.size());
    EXPECT_GT(share, 0.01);
    EXPECT_LT(share, 0.36);
    count += erased;
  }
  EXPECT_NEAR(sum / count, 0.0, 0.02);
  EXPECT_NEAR(squares / count, 1.0, 0.03);
  a.random_erasing = 0.25;
  int erased = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const std::vector<float> chw = view(image, a, seed);
    erased += std::any_of(chw.begin(), chw.end(), [](float value) { return value != 0.2F; });
  }
  EXPECT_NEAR(erased, 250, 60);
}

TEST(Augment, RandAugmentLeavesAboutAQuarterOfThePicturesAlone) {
  const Image image = slope(kSide, kSide);
  Augmentation a = nothing();
  a.rand_augment = 9;
  const std::vector<float> original = view(image, nothing(), 0);
  int alone = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) alone += view(image, a, seed) == original;
  EXPECT_GT(alone, 200);
  EXPECT_LT(alone, 400);
}

TEST(Augment, RandAugmentChangesMoreTheLargerItsMagnitude) {
  const Image image = slope(kSide, kSide);
  const std::vector<float> original = view(image, nothing(), 0);
  const auto change = [&](int magnitude) {
    Augmentation a = nothing();
    a.rand_augment = magnitude;
    double sum = 0;
    for (uint64_t seed = 0; seed < 400; ++seed) {
      const std::vector<float> chw = view(image, a, seed);
      for (size_t i = 0; i < chw.size(); ++i) sum += std::abs(chw[i] - original[i]);
    }
    return sum;
  };
  EXPECT_LT(change(1), 0.8 * change(5));
  EXPECT_LT(change(5), 0.8 * change(10));
}

TEST(Augment, RandAugmentMovesToEitherSideAlike) {
  Image bar{kSide, kSide, std::vector<uint8_t>(kSide * kSide * 3, 0)};
  for (size_t i = 0; i < bar.rgb.size(); ++i) {
    if (i / 3 % kSide >= kSide / 2 - 2 && i / 3 % kSide < kSide / 2 + 2) bar.rgb[i] = 255;
  }
  Augmentation a = nothing();
  a.rand_augment = 9;
  int left = 0, right = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const std::vector<float> chw = view(bar, a, seed);
    double light = 0, moment = 0;
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        light += at(chw, 0, y, x);
        moment += at(chw, 0, y, x) * (x + 0.5 - kSide / 2.0);
      }
    }
    left += moment < -2 * light;
    right += moment > 2 * light;
  }
  EXPECT_GT(left + right, 100);
  EXPECT_NEAR(left, right, 5 * std::sqrt(left + right));
}

TEST(Augment, IsRefusedWithTheFieldAndItsRange) {
  const auto refusal = [](auto change) {
    Augmentation a;
    change(a);
    return input_error([&] { a.validate(); });
  };
  EXPECT_TRUE(mentions(refusal([](auto& a) { a.scale_low = 0.0; }), "scale_low is 0, expected above 0"));
  EXPECT_TRUE(mentions(refusal([](auto& a) { a.scale_high = 0.2; }), "scale_high is 0.2"));
  EXPECT_TRUE(mentions(refusal([](auto& a) { a.ratio_low = -1.0; }), "ratio_low is -1"));
  EXPECT_TRUE(mentions(refusal([](auto& a) { a.ratio_high = 0.5; }), "ratio_high is 0.5"));
  EXPECT_TRUE(mentions(refusal([](auto& a) { a.flip = 1.5; }), "flip is 1.5"));
  EXPECT_TRUE(mentions(refusal([](auto& a) { a.color_jitter = 1.0; }), "color_jitter is 1"));
  EXPECT_TRUE(mentions(refusal([](auto& a) { a.random_erasing = -0.1; }), "random_erasing is -0.1"));
  EXPECT_TRUE(
      mentions(refusal([](auto& a) { a.rand_augment = 11; }), "rand_augment is 11, expected 0 to 10"));
  EXPECT_NO_THROW(Augmentation{}.validate());
}

}  // namespace
}  // namespace normgraft
