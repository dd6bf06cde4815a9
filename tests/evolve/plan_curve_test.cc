#include "normgraft/evolve/plan_curve.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "support/input_error.h"
#include "synthetic.h"

namespace normgraft {
namespace {

using testing::input_error;

/// Pairs y = tanh(x) that weigh `weight` each.
SiteMapping site(const std::string& name, float weight) {
  SiteAccumulator accumulator(name, kTokens, kChannels);
  std::vector<float> x(kTokens * kChannels), y(x.size());
  const std::vector<float> weights(x.size(), weight);
  for (int picture = 0; picture < 10; ++picture) {
    Random random{91, static_cast<uint64_t>(picture)};
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(1.5 * random.normal());
      y[i] = std::tanh(x[i]);
    }
    accumulator.add_picture(fold_of(picture), x, y, weights);
  }
  return accumulator.finish();
}

Mappings mappings(bool weighted = true) {
  return {.model = "synthetic",
          .weighted = weighted,
          .sites = {site("light", 1e-6F), site("middle", 1e-5F), site("heavy", 1e-4F)}};
}

/// Figures in fronts are not looked at: those of the mappings are.
FrontPoint point(double cost, const char* text) {
  return {.expression = Expression::parse(text), .cost = cost};
}

Fronts fronts() {
  Fronts fronts{.options = {}, .unit = "FLOPs", .sites = {}};
  for (const char* name : {"light", "middle", "heavy"}) {
    SiteFront front{.site = name, .seen = {-6, 6}};
    front.front = {point(1, "0.6*x"), point(2, "clip(x, -1, 1)"), point(5, "clip(0.9*x, -0.95, 0.95)"),
                   point(30, "tanh(x)")};
    front.baselines = {{"clip", point(3, "clip(0.85*x, -0.93, 0.93)")}, {"worse", point(50, "2*x")}};
    fronts.sites.push_back(front);
  }
  return fronts;
}

double loss_of(const Expression& f, const SiteMapping& mapping) {
  return predicted_divergence(f, mapping, Part::kChoose);
}

Plan curve_plan(const Fronts& f, const Mappings& m, double more = 0) {
  return PlanCurve(f, m).within(more);
}

struct Tried {
  double cost = 0, loss = 0;
};

/// All plans there are, from the points of fronts().
std::vector<Tried> all_plans(const Mappings& m) {
  std::vector<Tried> plans = {{}};
  for (const SiteFront& front : fronts().sites) {
    std::vector<FrontPoint> points = front.front;
    for (const BaselinePoint& form : front.baselines) points.push_back(form.point);
    std::vector<Tried> longer;
    for (const Tried& plan : plans) {
      for (const FrontPoint& p : points) {
        longer.push_back({plan.cost + p.cost * kTokens * kChannels,
                          plan.loss + loss_of(p.expression, m.site(front.site))});
      }
    }
    plans = std::move(longer);
  }
  return plans;
}

TEST(PlanCurve, IsTheCheapestOfAllPlansThatLoseNoMoreThanTheDistanceBeyondTheBest) {
  const Mappings m = mappings();
  const std::vector<Tried> plans = all_plans(m);
  double least = 1e9;
  for (const Tried& plan : plans) least = std::min(least, plan.loss);
  std::set<double> costs;
  for (const double within : {0.0, 1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 1.0}) {
    double cheapest = 1e30;
    for (const Tried& plan : plans) {
      if (plan.loss <= least + within * (1 + 1e-9) + 1e-12) cheapest = std::min(cheapest, plan.cost);
    }
    const Plan plan = curve_plan(fronts(), m, within);
    double cost = 0, loss = 0;
    for (const PlanEntry& entry : plan.entries) {
      cost += entry.cost * kTokens * kChannels;
      loss += loss_of(entry.expression, m.site(entry.site));
    }
    EXPECT_DOUBLE_EQ(cost, cheapest) << within;
    ASSERT_TRUE(plan.nearness);
    EXPECT_DOUBLE_EQ(plan.nearness->cost, cost);
    EXPECT_NEAR(plan.nearness->loss, loss, 1e-9);
    EXPECT_NEAR(plan.nearness->least_loss, least, 1e-9);
    EXPECT_DOUBLE_EQ(plan.nearness->within, within);
    costs.insert(cost);
  }
  EXPECT_GE(costs.size(), 4U) << "the distances lead to different plans";
}

TEST(PlanCurve, SavesWhereErrorsCostTheAnswersLeast) {
  const Plan plan = curve_plan(fronts(), mappings(), 0.01);
  EXPECT_LT(plan.entries[0].cost, plan.entries[2].cost);
}

TEST(PlanCurve, SaysItsStrategyItsDistanceAndWhy) {
  const Plan plan = curve_plan(fronts(), mappings(), 0.01);
  EXPECT_EQ(plan.strategy, "within 0.01 nats");
  EXPECT_EQ(plan.nearness->unit, "nats");
  EXPECT_EQ(plan.entries[2].reason.find("For the whole network: "), 0U) << plan.entries[2].reason;
  EXPECT_NE(plan.entries[2].reason.find("nats more here"), std::string::npos) << plan.entries[2].reason;
  EXPECT_EQ(plan_from_json(to_json(plan), "plan.json").nearness->within, 0.01);
}

TEST(PlanCurve, CountsRSquaredWherePairsHaveNoWeights) {
  const Mappings m = mappings(false);
  const Plan plan = curve_plan(fronts(), m, 0.01);
  EXPECT_EQ(plan.strategy, "within 0.01 of mean R2");
  double lost = 0;
  for (const PlanEntry& entry : plan.entries) {
    const Samples samples = make_samples(m.site(entry.site), Measure::kWeight, Part::kChoose);
    lost += (1 - evaluate_fit(entry.expression, samples).r2) / 3;
  }
  EXPECT_NEAR(plan.nearness->loss, lost, 1e-9);
  EXPECT_LE(lost, plan.nearness->least_loss + 0.01);
}

TEST(PlanCurve, PassesOverWhatIsNotFinite) {
  Fronts some = fronts();
  some.sites[0].front.insert(some.sites[0].front.begin(), point(0, "log(x)"));
  EXPECT_NE(curve_plan(some, mappings(), 1e6).entries[0].expression, Expression::parse("log(x)"));
}

TEST(PlanCurve, RefusesFrontsOfOtherMappings) {
  Fronts other = fronts();
  other.sites[1].site = "norm";
  EXPECT_NE(input_error([&] { curve_plan(other, mappings()); }).find("norm"), std::string::npos);
}

}  // namespace
}  // namespace normgraft
