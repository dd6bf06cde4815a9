#include "normgraft/mapping/accumulator.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>
#include <thread>

#include "synthetic.h"

namespace normgraft {
namespace {

using synthetic::Picture;

void expect_same_bytes(const SiteMapping& a, const SiteMapping& b) {
  EXPECT_EQ(a.edges, b.edges);
  for (int measure = 0; measure < kMeasures; ++measure) {
    for (int fold = 0; fold < kFolds; ++fold) {
      const auto& left = a.bins[measure][fold];
      const auto& right = b.bins[measure][fold];
      ASSERT_EQ(left.size(), right.size());
      EXPECT_EQ(std::memcmp(left.data(), right.data(), left.size() * sizeof(Moments)), 0);
    }
  }
}

std::string error_of(SiteAccumulator& accumulator, const std::vector<float>& x, const std::vector<float>& y,
                     const std::vector<float>& weight = {}) {
  try {
    accumulator.add_picture(Fold::kFirstHalf, x, y, weight);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

TEST(Accumulator, SumsOfAllBinsEqualTheMomentsOfTheRawPairs) {
  const auto pictures = synthetic::layer_norm(7, 20, 48, 2);
  const SiteMapping site = synthetic::capture(pictures, true);
  for (Measure measure : {Measure::kCount, Measure::kWeight}) {
    for (Part part : {Part::kFit, Part::kChoose, Part::kReport, Part::kAll}) {
      const Moments raw = synthetic::raw_moments(pictures, measure == Measure::kWeight, part);
      Moments sum;
      for (const Moments& m : site.of(measure, part)) sum.merge(m);
      EXPECT_NEAR(sum.weight, raw.weight, 1e-11 * raw.weight);
      EXPECT_NEAR(sum.weight2, raw.weight2, 1e-11 * raw.weight2);
      EXPECT_NEAR(sum.x, raw.x, 1e-10);
      EXPECT_NEAR(sum.y, raw.y, 1e-10);
      EXPECT_NEAR(sum.sxx, raw.sxx, 1e-10 * raw.sxx);
      EXPECT_NEAR(sum.sxy, raw.sxy, 1e-10 * raw.sxx);
      EXPECT_NEAR(sum.syy, raw.syy, 1e-10 * raw.syy);
    }
  }
}

TEST(Accumulator, EachBinHoldsThePairsBetweenItsEdges) {
  const auto pictures = synthetic::layer_norm(5, 30, 48, 3);
  const SiteMapping site = synthetic::capture(pictures, false, 64);
  const std::vector<Moments> bins = site.of(Measure::kCount, Part::kAll);
  for (size_t i = 0; i < site.bin_count(); ++i) {
    const double high = i + 1 == site.bin_count() ? 1e30 : site.edges[i + 1];
    const Moments raw = synthetic::raw_moments(pictures, false, Part::kAll, site.edges[i], high);
    // |x| is rounded on its way to a cell, so a pair within half an ULP of an edge may change sides.
    EXPECT_NEAR(bins[i].weight, raw.weight, 1) << i;
    EXPECT_NEAR(bins[i].x, raw.x, 0.01 * (high - site.edges[i])) << i;
    EXPECT_NEAR(bins[i].y, raw.y, 0.05) << i;
  }
}

TEST(Accumulator, EdgesIncreaseFromTheSmallestXToTheLargestOfThePicturesToFitOn) {
  const auto pictures = synthetic::layer_norm(5, 40, 96, 4);
  float low = 0, high = 0;
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (!synthetic::in_part(synthetic::fold_of(i), Part::kFit)) continue;
    for (float x : pictures[i].x) low = std::min(low, x), high = std::max(high, x);
  }
  for (size_t bins : {16, 17, 100, 1000, 2048}) {
    const SiteMapping site = synthetic::capture(pictures, false, bins);
    EXPECT_EQ(site.edges.front(), low);
    EXPECT_EQ(site.edges.back(), high);
    EXPECT_LE(site.bin_count(), bins);
    EXPECT_GE(site.bin_count(), bins * 95 / 100);
    for (size_t i = 1; i < site.edges.size(); ++i) EXPECT_LT(site.edges[i - 1], site.edges[i]);
  }
}

TEST(Accumulator, LaysTheBinsOfThePicturesToFitOnWhateverTheOthersShow) {
  const auto pictures = synthetic::layer_norm(12, 20, 48, 9);
  auto wider = pictures;
  for (size_t i = 0; i < wider.size(); ++i) {
    if (synthetic::in_part(synthetic::fold_of(i), Part::kFit)) continue;
    for (float& x : wider[i].x) x *= 7;
  }
  const SiteMapping narrow = synthetic::capture(pictures, true, 100),
                    wide = synthetic::capture(wider, true, 100);
  EXPECT_EQ(wide.edges, narrow.edges);
  for (Measure measure : {Measure::kCount, Measure::kWeight}) {
    for (Fold fold : folds_of(Part::kFit)) {
      const auto &a = wide.of(measure, fold), &b = narrow.of(measure, fold);
      EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(Moments)), 0);
    }
    for (Part part : {Part::kChoose, Part::kReport}) {
      const Moments raw = synthetic::raw_moments(wider, measure == Measure::kWeight, part);
      Moments sum;
      for (const Moments& m : wide.of(measure, part)) sum.merge(m);
      EXPECT_NEAR(sum.weight, raw.weight, 1e-11 * raw.weight);
      EXPECT_NEAR(sum.sxx, raw.sxx, 1e-10 * raw.sxx);
    }
  }
}

TEST(Accumulator, ResolvesBothTheMassAndTheTails) {
  const auto pictures = synthetic::layer_norm(5, 40, 96, 4);
  const SiteMapping site = synthetic::capture(pictures, false, 200);
  const std::vector<Moments> bins = site.of(Measure::kCount, Part::kFit);
  const double range = site.edges.back() - site.edges.front();
  const double pairs = 3.0 * 40 * 96;
  for (size_t i = 0; i < bins.size(); ++i) {
    EXPECT_LT(bins[i].weight, 0.025 * pairs) << i;
    const double spread = bins[i].weight > 1 ? std::sqrt(bins[i].sxx / bins[i].weight) : 0;
    EXPECT_LT(spread, 0.012 * range) << i;
  }
}

TEST(Accumulator, AddsEachPictureToTheFoldItIsGiven) {
  const auto pictures = synthetic::layer_norm(11, 3, 48, 5);
  const SiteMapping site = synthetic::capture(pictures, false);
  std::array<double, kFolds> expected{};
  for (size_t i = 0; i < 11; ++i) expected[static_cast<size_t>(synthetic::fold_of(i))] += 3 * 48;
  for (int fold = 0; fold < kFolds; ++fold) {
    double weight = 0;
    for (const Moments& m : site.of(Measure::kCount, static_cast<Fold>(fold))) weight += m.weight;
    EXPECT_EQ(weight, expected[fold]);
  }
  EXPECT_EQ(site.pictures, 11);
}

TEST(FitFold, DealsThePicturesToFitOnToTheTwoHalvesInTurn) {
  for (int64_t start : {int64_t{0}, int64_t{1000000000000}}) {
    EXPECT_EQ(fit_fold(start), Fold::kFirstHalf);
    EXPECT_EQ(fit_fold(start + 1), Fold::kSecondHalf);
  }
}

TEST(FoldsOf, EachFoldIsInOnePartAndInAllPictures) {
  std::multiset<Fold> folds;
  for (Part part : {Part::kFit, Part::kChoose, Part::kReport}) {
    for (Fold fold : folds_of(part)) folds.insert(fold);
  }
  EXPECT_EQ(folds.size(), static_cast<size_t>(kFolds));
  for (Fold fold : folds_of(Part::kAll)) EXPECT_EQ(folds.count(fold), 1U);
  EXPECT_EQ(folds_of(Part::kAll).size(), static_cast<size_t>(kFolds));
  EXPECT_EQ(folds_of(Part::kFit).size(), 2U);
}

TEST(Accumulator, GivesTheSameBytesWhereverPicturesAreAddedFrom) {
  const auto pictures = synthetic::layer_norm(9, 10, 48, 6);
  const SiteMapping direct = synthetic::capture(pictures, true);
  SiteAccumulator accumulator("blocks.0.norm1", 10, 48);
  for (size_t i = 0; i < pictures.size(); ++i) {
    const Picture& p = pictures[i];
    std::thread([&] { accumulator.add_picture(synthetic::fold_of(i), p.x, p.y, p.weight); }).join();
    SiteAccumulator moved = std::move(accumulator);
    moved.finish(100);
    accumulator = std::move(moved);
  }
  expect_same_bytes(accumulator.finish(), direct);
}

TEST(Accumulator, WithoutWeightsBothMeasuresAreTheSame) {
  const SiteMapping site = synthetic::capture(synthetic::layer_norm(3, 10, 48, 7), false);
  for (int fold = 0; fold < kFolds; ++fold) {
    const auto& counts = site.bins[0][fold];
    const auto& weights = site.bins[1][fold];
    ASSERT_EQ(counts.size(), weights.size());
    EXPECT_EQ(std::memcmp(counts.data(), weights.data(), counts.size() * sizeof(Moments)), 0);
  }
}

TEST(Accumulator, WeightsOfOneGiveTheCounts) {
  auto pictures = synthetic::layer_norm(3, 10, 48, 7);
  for (Picture& p : pictures) std::fill(p.weight.begin(), p.weight.end(), 1.0F);
  expect_same_bytes(synthetic::capture(pictures, true), synthetic::capture(pictures, false));
}

TEST(Accumulator, KeepsExtremeValuesOfX) {
  const std::vector<float> x{-3e38F, -1e10F, -1.0F, -1e-30F, -0.0F, 0.0F,
                             1e-40F, 1e-5F,  1.0F,  3e5F,    2e20F, 3e38F};
  const std::vector<float> y(x.size(), 1.0F);
  SiteAccumulator accumulator("norm", 1, static_cast<int64_t>(x.size()));
  for (int i = 0; i < 5; ++i) accumulator.add_picture(Fold::kFirstHalf, x, y);
  const SiteMapping site = accumulator.finish();
  EXPECT_EQ(site.range().low, -3e38F);
  EXPECT_EQ(site.range().high, 3e38F);
  double weight = 0;
  for (const Moments& m : site.of(Measure::kCount, Part::kAll)) {
    weight += m.weight;
    EXPECT_TRUE(std::isfinite(m.x) && std::isfinite(m.sxx));
  }
  EXPECT_EQ(weight, 5.0 * static_cast<double>(x.size()));
}

TEST(Accumulator, AConstantXGivesOneBin) {
  const std::vector<float> x(32, 0.7F);
  std::vector<float> y(32);
  for (size_t i = 0; i < y.size(); ++i) y[i] = static_cast<float>(i);
  SiteAccumulator accumulator("norm", 4, 8);
  accumulator.add_picture(Fold::kFirstHalf, x, y);
  const SiteMapping site = accumulator.finish();
  ASSERT_EQ(site.bin_count(), 1U);
  EXPECT_LT(site.edges[0], site.edges[1]);
  const Moments m = site.of(Measure::kCount, Part::kAll)[0];
  EXPECT_EQ(m.weight, 32);
  EXPECT_NEAR(m.x, 0.7F, 1e-12);
  EXPECT_DOUBLE_EQ(m.y, 15.5);
  EXPECT_NEAR(m.sxx, 0, 1e-12);
}

TEST(Accumulator, RefusesValuesThatAreNotFiniteAndStaysAsItWas) {
  const auto pictures = synthetic::layer_norm(3, 4, 48, 8);
  SiteAccumulator accumulator("blocks.7.norm2", 4, 48);
  accumulator.add_picture(Fold::kFirstHalf, pictures[0].x, pictures[0].y, pictures[0].weight);
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    Picture p = pictures[1];
    p.x[100] = bad;
    EXPECT_EQ(error_of(accumulator, p.x, p.y, p.weight),
              "site blocks.7.norm2, picture 1: x has values that are not finite");
    p = pictures[1];
    p.y[191] = bad;
    EXPECT_EQ(error_of(accumulator, p.x, p.y, p.weight),
              "site blocks.7.norm2, picture 1: y has values that are not finite");
  }
  Picture p = pictures[1];
  p.weight[0] = -1;
  EXPECT_EQ(error_of(accumulator, p.x, p.y, p.weight),
            "site blocks.7.norm2, picture 1: weight has values that are not finite or negative");
  for (size_t i : {1, 2})
    accumulator.add_picture(synthetic::fold_of(i), pictures[i].x, pictures[i].y, pictures[i].weight);
  SiteMapping direct = synthetic::capture(pictures, true);
  expect_same_bytes(accumulator.finish(), direct);
}

TEST(Accumulator, RefusesPicturesOfTheWrongSizeOrWithWeightsNowAndThen) {
  SiteAccumulator accumulator("norm", 2, 3);
  const std::vector<float> six(6, 1.0F);
  const std::vector<float> five(5, 1.0F);
  EXPECT_EQ(error_of(accumulator, six, five), "site norm, picture 0: 5 values of y, expected 6");
  EXPECT_EQ(error_of(accumulator, six, six), "");
  EXPECT_EQ(error_of(accumulator, six, six, six), "site norm, picture 1: weights for some pictures only");
}

TEST(Accumulator, HasNothingToFinishBeforeTheFirstPicture) {
  EXPECT_THROW(SiteAccumulator("norm", 2, 3).finish(), std::runtime_error);
}

TEST(Accumulator, AddsOffsetsOfTokensToYInBinsAndLeavesThemOutOfItsVariance) {
  constexpr int64_t kTokens = 30, kChannels = 24;
  std::vector<synthetic::Picture> pictures = synthetic::layer_norm(6, kTokens, kChannels, 9);
  Random random{4};
  size_t dealt = 0;
  SiteAccumulator with("site", kTokens, kChannels), without("site", kTokens, kChannels),
      by_hand("site", kTokens, kChannels);
  for (const synthetic::Picture& p : pictures) {
    std::vector<float> offset(kTokens), moved = p.y;
    for (float& o : offset) o = static_cast<float>(5 * random.normal());
    for (size_t i = 0; i < moved.size(); ++i) moved[i] += offset[i / kChannels];
    with.add_picture(synthetic::fold_of(dealt), p.x, p.y, p.weight, offset);
    without.add_picture(synthetic::fold_of(dealt), p.x, p.y, p.weight);
    by_hand.add_picture(synthetic::fold_of(dealt), p.x, moved, p.weight);
    ++dealt;
  }
  const SiteMapping site = with.finish(), plain = without.finish(), expected = by_hand.finish();
  for (const Measure measure : {Measure::kCount, Measure::kWeight}) {
    const Samples samples = make_samples(site, measure, Part::kFit);
    EXPECT_EQ(samples.y, make_samples(expected, measure, Part::kFit).y);
    EXPECT_NEAR(samples.variance, make_samples(plain, measure, Part::kFit).variance, 1e-9);
    const double error = 1 - ceiling(site, measure, Part::kFit);
    EXPECT_NEAR(
        error * samples.variance,
        (1 - ceiling(expected, measure, Part::kFit)) * make_samples(expected, measure, Part::kFit).variance,
        1e-9);
  }
  EXPECT_THROW(with.add_picture(Fold::kFirstHalf, pictures[0].x, pictures[0].y, pictures[0].weight,
                                std::vector<float>(kTokens - 1)),
               std::runtime_error);
  EXPECT_THROW(with.add_picture(Fold::kFirstHalf, pictures[0].x, pictures[0].y, pictures[0].weight),
               std::runtime_error);
}

}  // namespace
}  // namespace normgraft
