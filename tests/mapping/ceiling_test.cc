#include <gtest/gtest.h>

#include <functional>
#include <numbers>

#include "normgraft/mapping/mapping.h"
#include "synthetic.h"

namespace normgraft {
namespace {

using synthetic::Picture;

/// Pairs with a known regression: x normal, y = f(x) + noise(x) * normal.
struct Law {
  std::function<double(double)> f;
  std::function<double(double)> noise;
  std::function<double(double)> weight;

  std::vector<Picture> draw(int pictures, int pairs, Random& random) const {
    std::vector<Picture> all(pictures);
    for (Picture& p : all) {
      for (int i = 0; i < pairs; ++i) {
        const double x = random.normal();
        p.x.push_back(static_cast<float>(x));
        p.y.push_back(static_cast<float>(f(x) + noise(x) * random.normal()));
        p.weight.push_back(static_cast<float>(weight(x)));
      }
    }
    return all;
  }

  /// Var(E[y given x]) / Var(y) by numeric integration.
  double ceiling(bool weighted) const {
    double w = 0, mean = 0, square = 0, error = 0;
    for (double x = -8; x <= 8; x += 1e-3) {
      const double density = std::exp(-x * x / 2) * (weighted ? weight(x) : 1.0);
      w += density;
      mean += density * f(x);
      square += density * f(x) * f(x);
      error += density * noise(x) * noise(x);
    }
    const double explained = square / w - mean / w * (mean / w);
    return explained / (explained + error / w);
  }
};

const Law kLaw{[](double x) { return std::tanh(2 * x) + 0.2 * x; },
               [](double x) { return 0.6 + 0.4 * std::cos(x); }, [](double x) { return 0.2 + x * x; }};

/// What the residual variance within bins suggests when it is judged on the pairs it was fitted to.
double in_sample_ceiling(const SiteMapping& site, Measure measure, Part part) {
  double residual = 0;
  Moments all;
  for (const Moments& m : site.of(measure, part)) {
    residual += m.syy - (m.sxx > 0 ? m.sxy * m.sxy / m.sxx : 0);
    all.merge(m);
  }
  return 1 - residual / all.syy;
}

/// What the means of bins over one half achieve on the other half.
double out_of_sample_ceiling(const SiteMapping& site, Measure measure) {
  const auto& fit = site.of(measure, Fold::kFirstHalf);
  const auto& judge = site.of(measure, Fold::kSecondHalf);
  double error = 0;
  Moments all;
  for (size_t i = 0; i < fit.size(); ++i) {
    const double bias = judge[i].y - fit[i].y;
    error += judge[i].weight * bias * bias + judge[i].syy;
    all.merge(judge[i]);
  }
  return 1 - error / all.syy;
}

/// Mean of repeated draws and its standard error.
struct Mean {
  int n = 0;
  double sum = 0, squares = 0;
  void add(double v) {
    ++n;
    sum += v;
    squares += v * v;
  }
  double mean() const { return sum / n; }
  double standard_error() const { return std::sqrt((squares / n - mean() * mean()) / (n - 1)); }
  double deviation_from(double truth) const { return std::abs(mean() - truth) / standard_error(); }
};

class CeilingOf : public testing::TestWithParam<std::tuple<Measure, Part>> {};

TEST_P(CeilingOf, IsUnbiasedWhereJudgingInSampleOrOnOtherDataIsNot) {
  const auto [measure, part] = GetParam();
  const double truth = kLaw.ceiling(measure == Measure::kWeight);
  Random random{21, static_cast<uint64_t>(measure), static_cast<uint64_t>(part)};
  Mean cross_fitted, in_sample, out_of_sample;
  for (int draw = 0; draw < 200; ++draw) {
    const SiteMapping site = synthetic::capture(kLaw.draw(15, 400, random), true, 128);
    cross_fitted.add(ceiling(site, measure, part));
    in_sample.add(in_sample_ceiling(site, measure, part));
    out_of_sample.add(out_of_sample_ceiling(site, measure));
  }
  EXPECT_LT(cross_fitted.deviation_from(truth), 3);
  EXPECT_LT(cross_fitted.standard_error(), 0.003);
  EXPECT_GT(in_sample.deviation_from(truth), 10);
  EXPECT_GT(in_sample.mean(), truth);
  EXPECT_GT(out_of_sample.deviation_from(truth), 10);
  EXPECT_LT(out_of_sample.mean(), truth);
}

INSTANTIATE_TEST_SUITE_P(AllMeasuresAndParts, CeilingOf,
                         testing::Combine(testing::Values(Measure::kCount, Measure::kWeight),
                                          testing::Values(Part::kFit, Part::kChoose, Part::kReport,
                                                          Part::kAll)));

TEST(Ceiling, IsRightWithManyPairsAndStrongNoise) {
  Law noisy = kLaw;
  noisy.noise = [](double) { return 3.0; };
  Random random{22};
  Mean mean;
  for (int draw = 0; draw < 20; ++draw) {
    mean.add(ceiling(synthetic::capture(noisy.draw(10, 10000, random), false), Measure::kCount, Part::kAll));
  }
  EXPECT_LT(mean.deviation_from(noisy.ceiling(false)), 3);
  EXPECT_LT(mean.standard_error(), 0.002);
}

TEST(Ceiling, OfPureNoiseIsZero) {
  Law noise = kLaw;
  noise.f = [](double) { return 0.0; };
  Random random{23};
  Mean mean;
  for (int draw = 0; draw < 100; ++draw) {
    mean.add(ceiling(synthetic::capture(noise.draw(10, 500, random), false), Measure::kCount, Part::kAll));
  }
  EXPECT_LT(mean.deviation_from(0), 3);
}

TEST(Ceiling, OfAFunctionWithoutNoiseIsOne) {
  Law exact = kLaw;
  exact.noise = [](double) { return 0.0; };
  Random random{24};
  const SiteMapping site = synthetic::capture(exact.draw(10, 20000, random), false);
  EXPECT_NEAR(ceiling(site, Measure::kCount, Part::kAll), 1, 1e-5);
}

TEST(Ceiling, OfALayerNormLiesAboveEveryFitAndBelowOne) {
  const auto pictures = synthetic::layer_norm(20, 50, 192, 25);
  const SiteMapping site = synthetic::capture(pictures, false);
  const double top = ceiling(site, Measure::kCount, Part::kFit);
  EXPECT_LT(top, 1);
  const Samples samples = make_samples(site, Measure::kCount, Part::kFit);
  const Moments raw = synthetic::raw_moments(pictures, false, Part::kFit);
  EXPECT_GT(top, raw.sxy * raw.sxy / (raw.sxx * raw.syy));
  EXPECT_LT(top, 1 - samples.residual / samples.variance);
}

TEST(Ceiling, DoesNotDependOnMinPairsBeyondSamplingError) {
  Random random{26};
  const SiteMapping site = synthetic::capture(kLaw.draw(20, 2000, random), false);
  const double usual = ceiling(site, Measure::kCount, Part::kAll);
  EXPECT_NEAR(ceiling(site, Measure::kCount, Part::kAll, 25), usual, 0.003);
  EXPECT_NEAR(ceiling(site, Measure::kCount, Part::kAll, 200), usual, 0.003);
}

TEST(Ceiling, CountsThePairsBeyondTheLastFullBin) {
  Random random{27};
  const SiteMapping site = synthetic::capture(kLaw.draw(12, 500, random), false);  // 2000 pairs a group
  EXPECT_NEAR(ceiling(site, Measure::kCount, Part::kAll, 1200),
              ceiling(site, Measure::kCount, Part::kAll, 1800), 1e-9);
}

TEST(Ceiling, OfAPartDoesNotDependOnTheOrderOfItsPictures) {
  Random random{28};
  std::vector<Picture> pictures = kLaw.draw(12, 500, random);
  const SiteMapping site = synthetic::capture(pictures, true);
  std::swap(pictures[2], pictures[8]);   // both to report on
  std::swap(pictures[3], pictures[9]);   // both to choose by
  std::swap(pictures[0], pictures[10]);  // both of the first half
  const SiteMapping other = synthetic::capture(pictures, true);
  for (Part part : {Part::kFit, Part::kChoose, Part::kReport, Part::kAll}) {
    EXPECT_NEAR(ceiling(other, Measure::kWeight, part), ceiling(site, Measure::kWeight, part), 1e-9);
  }
}

TEST(Ceiling, OfTheReportedPicturesIsJudgedByRegressionsOfTheHalvesAlone) {
  Random random{29};
  std::vector<Picture> pictures = kLaw.draw(12, 500, random);
  const SiteMapping site = synthetic::capture(pictures, false);
  // Other pictures to choose by: the same x, so that bins are joined alike, and another y.
  for (size_t i : {3, 9}) {
    for (float& y : pictures[i].y) y = 7;
  }
  const SiteMapping other = synthetic::capture(pictures, false);
  EXPECT_EQ(ceiling(other, Measure::kCount, Part::kReport), ceiling(site, Measure::kCount, Part::kReport));
  EXPECT_NE(ceiling(other, Measure::kCount, Part::kFit), ceiling(site, Measure::kCount, Part::kFit));
}

TEST(Ceiling, OfALineIsOneHoweverWideTheBins) {
  Law line = kLaw;
  line.f = [](double x) { return 5 * x - 1; };
  line.noise = [](double) { return 0.0; };
  Random random{28};
  EXPECT_NEAR(ceiling(synthetic::capture(line.draw(5, 20, random), false), Measure::kCount, Part::kAll), 1,
              1e-6);
}

TEST(Ceiling, FollowsABendWhereFewPairsHaveMostOfTheWeight) {
  // One pair of ten lies in [4, 8] and weighs fifty times as much as the others: 120 pairs there in the least
  // fold.
  const auto f = [](double x) { return std::sin(2 * x); };
  Random random{29};
  Mean loss, loss_with_50;
  for (int draw = 0; draw < 20; ++draw) {
    std::vector<Picture> pictures(15);
    for (Picture& p : pictures) {
      for (int i = 0; i < 400; ++i) {
        const bool tail = i % 10 == 0;
        const double x = tail ? random.uniform(4, 8) : random.normal();
        p.x.push_back(static_cast<float>(x));
        p.y.push_back(static_cast<float>(f(x) + 0.3 * random.normal()));
        p.weight.push_back(tail ? 50 : 1);
      }
    }
    const Moments y = synthetic::raw_moments(pictures, true, Part::kAll);
    const double truth = 1 - synthetic::raw_error(pictures, true, Part::kAll, f) * y.weight / y.syy;
    const SiteMapping site = synthetic::capture(pictures, true);
    loss.add(truth - ceiling(site, Measure::kWeight, Part::kAll));
    loss_with_50.add(truth - ceiling(site, Measure::kWeight, Part::kAll, 50));
  }
  EXPECT_LT(std::abs(loss.mean()), 0.005);
  EXPECT_GT(loss_with_50.mean(), 0.02);
}

TEST(Ceiling, IsUnknownWhereAHalfOrAllOthersOrThePartAreEmpty) {
  Random random{27};
  const std::vector<Picture> pictures = kLaw.draw(3, 500, random);
  const auto captured = [&](std::vector<Fold> folds) {
    SiteAccumulator accumulator("norm", 1, 500);
    for (size_t i = 0; i < folds.size(); ++i) accumulator.add_picture(folds[i], pictures[i].x, pictures[i].y);
    return accumulator.finish();
  };
  const auto known = [](const SiteMapping& site, Part part) {
    return !std::isnan(ceiling(site, Measure::kCount, part));
  };
  const SiteMapping halves = captured({Fold::kFirstHalf, Fold::kSecondHalf});
  EXPECT_FALSE(known(halves, Part::kAll));
  EXPECT_FALSE(known(halves, Part::kFit));
  EXPECT_FALSE(known(captured({Fold::kFirstHalf, Fold::kReport, Fold::kChoose}), Part::kReport));
  const SiteMapping reported = captured({Fold::kFirstHalf, Fold::kSecondHalf, Fold::kReport});
  EXPECT_TRUE(known(reported, Part::kFit));
  EXPECT_TRUE(known(reported, Part::kReport));
  EXPECT_TRUE(known(reported, Part::kAll));
  EXPECT_FALSE(known(reported, Part::kChoose));
}

}  // namespace
}  // namespace normgraft
