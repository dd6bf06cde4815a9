#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "normgraft/evolve/evolve.h"
#include "normgraft/evolve/plan.h"
#include "normgraft/mapping/baselines.h"
#include "synthetic.h"

namespace normgraft {
namespace {

/// A site whose channel tells the spread s of a token: pairs (log s, 1 / s) of tokens of different s.
SiteMapping channel_site() {
  SiteAccumulator accumulator("carrying", kTokens, 1);
  std::vector<float> r(kTokens), inverse(kTokens);
  for (int picture = 0; picture < 20; ++picture) {
    Random random{78, static_cast<uint64_t>(picture)};
    for (size_t i = 0; i < r.size(); ++i) {
      r[i] = static_cast<float>(0.4 * random.normal());
      inverse[i] = std::exp(-r[i]);
    }
    accumulator.add_picture(fold_of(picture), r, inverse);
  }
  SiteMapping site = accumulator.finish(256);
  site.channels = kChannels;
  site.carried = {.channel = true, .low = -2, .high = 2};
  return site;
}

const SiteFront& found() {
  static const Fronts fronts = [] {
    EvolveOptions options;
    options.population = 100;
    options.generations = 12;
    options.seeds = 2;
    options.search_bins = 64;
    return evolve({.model = "synthetic", .weighted = false, .sites = {channel_site()}}, options,
                  silent_monitor());
  }();
  return fronts.sites.front();
}

/// All points of the front, of the seeds and of the closed forms.
std::vector<FrontPoint> all_points() {
  std::vector<FrontPoint> points = found().front;
  for (const auto& seed : found().seeds) points.insert(points.end(), seed.begin(), seed.end());
  for (const BaselinePoint& baseline : found().baselines) points.push_back(baseline.point);
  return points;
}

TEST(EvolveWithAChannel, FindsXTimesAFunctionOfROrAConstant) {
  ASSERT_GT(found().front.size(), 2U);
  for (const FrontPoint& point : all_points()) {
    const Expression& f = point.expression;
    EXPECT_TRUE(f.reads(Op::kX)) << f.to_string();
    for (const double r : {-1.0, 0.1, 0.8}) {
      for (const double x : {-3.0, 0.5, 7.0})
        EXPECT_NEAR(f(x, r), x * f(1, r), 1e-6 * std::abs(f(x, r)) + 1e-9) << f.to_string();
    }
  }
}

TEST(EvolveWithAChannel, ReadsRWhereThatIsMoreAccurateThanAConstant) {
  EXPECT_TRUE(found().front.back().expression.reads(Op::kR));
}

TEST(EvolveWithAChannel, CountsOneProductAndTheFunctionOfROnceAToken) {
  const Profile profile = flops_profile(kSearchClipCost);
  for (const FrontPoint& point : all_points()) {
    const Expression g = of_pairs(point.expression, {.channel = true});
    EXPECT_NEAR(point.cost, 1 + profile(g) / kChannels, 1e-9) << point.expression.to_string();
    EXPECT_NEAR(point.cost, cost_per_element(point.expression, profile, kChannels), 1e-9);
  }
}

TEST(EvolveWithAChannel, ComesNearTheReciprocalOfTheSpread) {
  const FrontPoint& best = found().front.back();
  EXPECT_GT(best.r2, 0.999);
  for (const double r : {-0.6, 0.0, 0.6}) EXPECT_NEAR(best.expression(1, r), std::exp(-r), 0.06) << r;
}

TEST(EvolveWithAChannel, FindsExpOfMinusRForOneExponentialAToken) {
  const auto exponential = [](const FrontPoint& point) {
    return point.expression.reads(Op::kR) && point.expression.to_string().find("exp(") != std::string::npos &&
           point.cost < 1 + 25.0 / kChannels && point.r2 > 0.9999;
  };
  EXPECT_TRUE(std::any_of(found().front.begin(), found().front.end(), exponential));
}

TEST(EvolveWithAChannel, FindsAPowerOfTwoWithConstantsOfFewSignedDigitsForACircuit) {
  EvolveOptions options;
  options.function_set = "circuit";
  options.signed_digits = 2;
  options.population = 100;
  options.generations = 12;
  options.seeds = 1;
  options.search_bins = 64;
  const Fronts fronts =
      evolve({.model = "synthetic", .weighted = false, .sites = {channel_site()}}, options, silent_monitor());
  std::set<Op> allowed = {Op::kConstant, Op::kX, Op::kR, Op::kSquare};  // a product of equals is a square
  for (const auto& [op, weight] : function_set("circuit", true).weights) allowed.insert(op);
  const std::vector<FrontPoint>& front = fronts.sites.front().front;
  for (const FrontPoint& point : front) {
    for (const Instruction& step : point.expression.program())
      EXPECT_TRUE(allowed.contains(step.op)) << point.expression.to_string();
    for (const float c : point.expression.constants())
      EXPECT_LE(signed_digits(c), 2) << point.expression.to_string();
  }
  // exp(-r) = exp2(-1.4427 r), and 1.5 has two digits.
  EXPECT_NE(front.back().expression.to_string().find("exp2("), std::string::npos);
  EXPECT_GT(front.back().r2, 0.995);
}

TEST(EvolveWithAChannel, FitsTheClosedFormsOfRToo) {
  std::map<std::string, FrontPoint> forms;
  for (const BaselinePoint& baseline : found().baselines) forms.emplace(baseline.name, baseline.point);
  for (const std::string& name : token_form_names()) ASSERT_TRUE(forms.contains(name)) << name;
  const Expression& f = forms.at("exp").expression;
  for (const double r : {-1.0, 0.0, 1.0})
    EXPECT_NEAR(f(1, r), std::exp(-r), 0.01 * std::exp(-r)) << f.to_string();
  // The quotients are 1 / (1 + r) and 4 / (2 + r)^2 near 0, the second the nearer one.
  EXPECT_LT(forms.at("reciprocal2").error, forms.at("reciprocal").error);
  EXPECT_LT(forms.at("reciprocal").cost, forms.at("exp").cost);
}

TEST(EvolveWithAChannel, TakesOneClosedFormOfREverywhereWhenAsked) {
  const Fronts fronts{.options = {}, .unit = "FLOPs", .sites = {found()}};
  EXPECT_NE(select_plan(fronts, "shape:exp").entries[0].expression.to_string().find("exp("),
            std::string::npos);
}

TEST(EvolveWithAChannel, LeavesAFrontOfFallingErrorsWhoseFunctionsAreAdmissible) {
  const auto& front = found().front;
  for (size_t i = 0; i < front.size(); ++i) {
    EXPECT_EQ(why_not_admissible(front[i].expression, {.x = {-1, 1}, .r = {-2, 2}}), "")
        << front[i].expression.to_string();
    // Half as much again as 1/s can be where r is held.
    EXPECT_TRUE(stays_within(front[i].expression, 12, {.x = {-1, 1}, .r = {-2, 2}}, 1));
    if (i == 0) continue;
    EXPECT_GT(front[i].cost, front[i - 1].cost);
    EXPECT_LT(front[i].error, front[i - 1].error);
  }
}

}  // namespace
}  // namespace normgraft
