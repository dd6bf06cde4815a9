#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "normgraft/evolve/evolve.h"
#include "synthetic.h"

namespace normgraft {
namespace {

struct Picture {
  std::vector<float> x, y, weight;
  Fold fold = Fold::kFirstHalf;

  bool held_out() const { return fold == Fold::kReport; }
};

/// y = tanh(x) with noise, three times as much in the pictures to report on; weights grow away from zero.
constexpr double kNoise = 0.2, kHeldOutNoise = 0.6;

double weight_at(double x) {
  return 0.2 + x * x;
}

std::vector<Picture> draw_pictures(int count) {
  std::vector<Picture> pictures(static_cast<size_t>(count));
  for (size_t p = 0; p < pictures.size(); ++p) {
    Picture& picture = pictures[p];
    picture.fold = fold_of(static_cast<int>(p));
    Random random{91, p};
    for (int i = 0; i < kTokens * kChannels; ++i) {
      const double x = random.normal();
      picture.x.push_back(static_cast<float>(x));
      picture.y.push_back(
          static_cast<float>(std::tanh(x) + (picture.held_out() ? kHeldOutNoise : kNoise) * random.normal()));
      picture.weight.push_back(static_cast<float>(weight_at(x)));
    }
  }
  return pictures;
}

Mappings mappings_of(const std::vector<Picture>& pictures) {
  SiteAccumulator accumulator("s", kTokens, kChannels);
  for (const Picture& p : pictures) accumulator.add_picture(p.fold, p.x, p.y, p.weight);
  return {.model = "synthetic", .weighted = true, .sites = {accumulator.finish()}};
}

/// R^2 of f over the pairs of the pictures of a part.
double raw_r2(const Expression& f, const std::vector<Picture>& pictures, Part part, bool weighted) {
  Moments y;
  double error = 0;
  for (const Picture& p : pictures) {
    if (std::ranges::count(folds_of(part), p.fold) == 0) continue;
    for (size_t i = 0; i < p.x.size(); ++i) {
      const double w = weighted ? p.weight[i] : 1.0;
      y.merge({w, 0, p.y[i], 0, 0, 0, w * w});
      error += w * std::pow(f(p.x[i]) - p.y[i], 2);
    }
  }
  return 1 - error / y.syy;
}

/// The ceiling of the law by numeric integration: what tanh explains of the variance.
double ceiling_of_the_law(double noise, bool weighted) {
  double total = 0, mean = 0, square = 0;
  for (double x = -8; x <= 8; x += 1e-3) {
    const double w = std::exp(-x * x / 2) * (weighted ? weight_at(x) : 1.0);
    total += w;
    mean += w * std::tanh(x);
    square += w * std::tanh(x) * std::tanh(x);
  }
  const double explained = square / total - std::pow(mean / total, 2);
  return explained / (explained + noise * noise);
}

EvolveOptions short_search(Measure measure) {
  EvolveOptions options;
  options.population = 60;
  options.generations = 3;
  options.seeds = 2;
  options.measure = measure;
  return options;
}

TEST(Figures, AreThoseOfTheRawPairsOfTheirPictures) {
  const std::vector<Picture> pictures = draw_pictures(40);
  const Mappings mappings = mappings_of(pictures);
  for (const Measure measure : {Measure::kWeight, Measure::kCount}) {
    const bool weighted = measure == Measure::kWeight;
    const SiteFront site = evolve(mappings, short_search(measure), silent_monitor()).sites[0];
    std::vector<FrontPoint> points = site.front;
    for (const BaselinePoint& baseline : site.baselines) points.push_back(baseline.point);
    for (const FrontPoint& point : points) {
      const Expression& f = point.expression;
      EXPECT_NEAR(point.r2, raw_r2(f, pictures, Part::kFit, weighted), 1e-4) << f.to_string();
      EXPECT_NEAR(point.choose_r2, raw_r2(f, pictures, Part::kChoose, weighted), 1e-4) << f.to_string();
      EXPECT_NEAR(point.held_out_r2, raw_r2(f, pictures, Part::kReport, weighted), 1e-4) << f.to_string();
      EXPECT_NEAR(point.plain_r2, raw_r2(f, pictures, Part::kReport, false), 1e-4) << f.to_string();
    }
    EXPECT_NEAR(site.ceiling, ceiling_of_the_law(kNoise, weighted), 0.01);
    EXPECT_NEAR(site.held_out_ceiling, ceiling_of_the_law(kHeldOutNoise, weighted), 0.02);
    EXPECT_NEAR(site.plain_ceiling, ceiling_of_the_law(kHeldOutNoise, false), 0.02);
  }
}

/// A search among lines only, whose constants come from linear scaling on the samples of the search alone.
EvolveOptions search_for_a_line() {
  EvolveOptions options = short_search(Measure::kCount);
  options.function_set = "+,*";
  options.max_nodes = 5;
  options.constant_iterations = 0;
  return options;
}

double slope_found(const Mappings& mappings, const EvolveOptions& options) {
  const Expression f = evolve(mappings, options, silent_monitor()).sites[0].front.back().expression;
  return f(0.5) - f(-0.5);
}

/// The slope of the best line in closed form.
double best_slope(const SiteMapping& site, Measure measure) {
  Moments all;
  for (const Moments& bin : site.of(measure, Part::kFit)) all.merge(bin);
  return all.sxy / all.sxx;
}

TEST(Evolve, SearchesOnTheMeasureAskedFor) {
  const Mappings mappings = mappings_of(draw_pictures(5));
  const double plain = best_slope(mappings.sites[0], Measure::kCount);
  const double weighted = best_slope(mappings.sites[0], Measure::kWeight);
  ASSERT_GT(std::abs(plain - weighted), 0.1);
  EvolveOptions options = search_for_a_line();
  EXPECT_NEAR(slope_found(mappings, options), plain, 0.01);
  options.measure = Measure::kWeight;
  EXPECT_NEAR(slope_found(mappings, options), weighted, 0.01);
}

TEST(Evolve, WeighsTheSquareOfAFunctionAtTwiceTheLargestXByTheTailPenalty) {
  const Mappings mappings{.model = "synthetic",
                          .weighted = false,
                          .sites = {site_of_function("s", [](double x) { return 0.7 * x; })}};
  const SiteMapping& site = mappings.sites[0];
  Moments all;
  for (const Moments& bin : site.of(Measure::kCount, Part::kFit)) all.merge(bin);
  const double far = 2 * std::max(-site.range().low, site.range().high);
  EvolveOptions options = search_for_a_line();
  EXPECT_NEAR(slope_found(mappings, options), 0.7, 1e-3);
  // The slope a that is best for E[(a x - 0.7 x)^2] + p (a far)^2 is 0.7 E[x^2] / (E[x^2] + p far^2).
  options.tail_penalty = 6 * (all.sxx / all.weight) / (far * far);
  EXPECT_NEAR(slope_found(mappings, options), 0.7 / 7, 0.015);
}

}  // namespace
}  // namespace normgraft
