#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "normgraft/core/error.h"
#include "normgraft/mapping/mapping.h"
#include "synthetic.h"

namespace normgraft {
namespace {

using synthetic::Picture;

TEST(Samples, ErrorsOfAStraightLineAreExact) {
  const auto pictures = synthetic::layer_norm(6, 30, 96, 11);
  const SiteMapping site = synthetic::capture(pictures, true);
  const auto line = [](double x) { return 0.3 * x - 0.07; };
  for (Measure measure : {Measure::kCount, Measure::kWeight}) {
    for (Part part : {Part::kFit, Part::kChoose, Part::kReport, Part::kAll}) {
      const double raw = synthetic::raw_error(pictures, measure == Measure::kWeight, part, line);
      for (size_t max_bins : {0, 1, 7, 256}) {
        const Samples samples = make_samples(site, measure, part, max_bins);
        EXPECT_NEAR(evaluate_fit(line, samples).error, raw, 2e-6 * samples.variance) << max_bins;
      }
    }
  }
}

TEST(Samples, ErrorsOfCurvesAreExactTo1EMinus5OfTheVariance) {
  const auto pictures = synthetic::layer_norm(6, 60, 192, 12);
  const SiteMapping site = synthetic::capture(pictures, true);
  const std::vector<std::function<double(double)>> curves = {
      [](double x) { return std::tanh(0.5 * x); },
      [](double x) { return 3 * std::erf(0.8 * x + 0.2); },
      [](double x) { return std::clamp(0.6 * x, -1.3, 1.1); },
      [](double x) { return x / (0.5 + std::abs(x)); },
      [](double x) { return 0.02 * x * x; },
      [](double x) { return std::abs(x) < 0.1 ? 1.0 : std::sqrt(std::abs(x)); },
  };
  for (Measure measure : {Measure::kCount, Measure::kWeight}) {
    for (Part part : {Part::kFit, Part::kChoose, Part::kReport, Part::kAll}) {
      const Samples samples = make_samples(site, measure, part);
      for (size_t i = 0; i + 1 < curves.size(); ++i) {
        const double raw = synthetic::raw_error(pictures, measure == Measure::kWeight, part, curves[i]);
        const Fit fit = evaluate_fit(curves[i], samples);
        // Pictures that are not fitted on may lie beyond the range of the others, in one wide bin on each
        // side, where a parabola is no straight line.
        const double tolerance = i == 4 && part != Part::kFit ? 5e-3 : 1e-5;
        EXPECT_NEAR(fit.error, raw, tolerance * samples.variance) << i;
        EXPECT_NEAR(fit.r2, 1 - raw / samples.variance, tolerance) << i;
      }
    }
  }
}

TEST(Samples, HaveTheVarianceAndWeightOfTheRawPairs) {
  const auto pictures = synthetic::layer_norm(6, 30, 96, 13);
  const SiteMapping site = synthetic::capture(pictures, true);
  for (Part part : {Part::kFit, Part::kChoose, Part::kReport, Part::kAll}) {
    const Moments raw = synthetic::raw_moments(pictures, true, part);
    const Samples samples = make_samples(site, Measure::kWeight, part, 100);
    EXPECT_NEAR(samples.variance, raw.syy / raw.weight, 1e-9);
    EXPECT_NEAR(samples.total_weight, raw.weight, 1e-9 * raw.weight);
    EXPECT_NEAR(std::accumulate(samples.weight.begin(), samples.weight.end(), 0.0), 1, 1e-6);
    EXPECT_TRUE(std::is_sorted(samples.x.begin(), samples.x.end()));
    EXPECT_GT(samples.residual, 0);
  }
}

TEST(Samples, JoinAdjacentBinsKeepingMassAndTailsResolved) {
  const auto pictures = synthetic::layer_norm(10, 60, 96, 14);
  const SiteMapping site = synthetic::capture(pictures, false);
  for (size_t max_bins : {1, 2, 3, 16, 256, 1000}) {
    const Samples samples = make_samples(site, Measure::kCount, Part::kFit, max_bins);
    EXPECT_LE(samples.size(), 2 * max_bins);
    EXPECT_GE(samples.size(), max_bins * 9 / 10);
  }
  const Samples samples = make_samples(site, Measure::kCount, Part::kFit, 128);
  EXPECT_LT(*std::max_element(samples.weight.begin(), samples.weight.end()), 1.2 / 128);
  const auto tanh = [](double x) { return 2 * std::tanh(0.4 * x); };
  const double raw = synthetic::raw_error(pictures, false, Part::kFit, tanh);
  EXPECT_NEAR(evaluate_fit(tanh, samples).error, raw, 2e-4 * samples.variance);
}

TEST(Samples, ABinWithoutSpreadIsOnePoint) {
  SiteAccumulator accumulator("norm", 1, 4);
  accumulator.add_picture(Fold::kFirstHalf, std::vector<float>{1, 1, 2, 2}, std::vector<float>{0, 1, 5, 7});
  const Samples samples = make_samples(accumulator.finish(), Measure::kCount, Part::kAll);
  ASSERT_EQ(samples.size(), 2U);
  EXPECT_EQ(samples.x, (std::vector<float>{1, 2}));
  EXPECT_EQ(samples.y, (std::vector<float>{0.5F, 6}));
  EXPECT_EQ(samples.weight, (std::vector<float>{0.5F, 0.5F}));
  EXPECT_NEAR(samples.residual, (0.25 + 0.25 + 1 + 1) / 4, 1e-12);
  EXPECT_NEAR(samples.variance, (3.25 * 3.25 + 2.25 * 2.25 + 1.75 * 1.75 + 3.75 * 3.75) / 4, 1e-12);
}

TEST(Samples, AreNoneWhereAPartIsEmpty) {
  SiteAccumulator accumulator("norm", 1, 2);
  accumulator.add_picture(Fold::kFirstHalf, std::vector<float>{1, 2}, std::vector<float>{0, 1});
  const Samples samples = make_samples(accumulator.finish(), Measure::kCount, Part::kReport);
  EXPECT_EQ(samples.size(), 0U);
  EXPECT_EQ(samples.total_weight, 0);
}

TEST(Samples, AnExpressionAndItsFunctionFitAlike) {
  const SiteMapping site = synthetic::capture(synthetic::layer_norm(4, 20, 48, 15), false);
  const Samples samples = make_samples(site, Measure::kCount, Part::kAll);
  const Expression f = Expression::parse("0.5*tanh(x) + 0.25*x");
  const Fit by_expression = evaluate_fit(f, samples);
  const Fit by_function = evaluate_fit([](double x) { return 0.5 * std::tanh(x) + 0.25 * x; }, samples);
  EXPECT_NEAR(by_expression.error, by_function.error, 1e-14);
  EXPECT_DOUBLE_EQ(by_expression.r2, 1 - by_expression.error / samples.variance);
}

TEST(EffectivePairs, AreTheSquaredSumOfWeightsOverTheSumOfTheirSquares) {
  const auto pictures = synthetic::layer_norm(6, 30, 96, 17);
  const SiteMapping site = synthetic::capture(pictures, true);
  for (Part part : {Part::kFit, Part::kChoose, Part::kReport, Part::kAll}) {
    for (Measure measure : {Measure::kCount, Measure::kWeight}) {
      const Moments raw = synthetic::raw_moments(pictures, measure == Measure::kWeight, part);
      EXPECT_NEAR(effective_pairs(site, measure, part), raw.weight * raw.weight / raw.weight2,
                  1e-6 * raw.weight);
    }
  }
  EXPECT_NEAR(effective_pairs(site, Measure::kCount, Part::kAll), 6 * 30 * 96, 1e-6);
}

TEST(Mappings, NameTheSiteThatIsNotThere) {
  Mappings mappings;
  mappings.model = "vit";
  mappings.sites.push_back(synthetic::capture(synthetic::layer_norm(1, 2, 48, 16), false));
  EXPECT_EQ(mappings.site("blocks.0.norm1").tokens, 1);
  EXPECT_THROW(
      {
        try {
          mappings.site("blocks.9.norm1");
        } catch (const InputError& error) {
          EXPECT_STREQ(error.what(), "no norm site blocks.9.norm1 among the 1 mappings of vit");
          throw;
        }
      },
      InputError);
}

}  // namespace
}  // namespace normgraft
