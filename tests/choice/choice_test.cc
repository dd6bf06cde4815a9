#include "normgraft/choice/choice.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

#include "candidates.h"
#include "normgraft/capture/capture.h"
#include "normgraft/choice/within.h"
#include "normgraft/cost/site_cost.h"
#include "normgraft/data/loader.h"
#include "normgraft/evolve/plan_curve.h"
#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"
#include "support/input_error.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::TemporaryFolder;

/// Of five pictures three are there to fit to, one to choose by and one to report on.
Fold fold_of(int64_t position) {
  return position % 5 == 3 ? Fold::kChoose : position % 5 == 4 ? Fold::kReport : fit_fold(position);
}

/// A small network with its fronts, and pictures to measure on.
class ChoiceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { fixture_ = new Fixture; }
  static void TearDownTestSuite() {
    delete fixture_;
    fixture_ = nullptr;
  }

  static Choice choose(const ChoiceOptions& options) {
    return choose_plan(fixture_->fronts, fixture_->mappings, small_vit(), flops_profile(),
                       *fixture_->yardstick, options, silent_monitor());
  }

  struct Fixture {
    Fixture() {
      const Network vit = small_vit();
      testing::write_small_pictures(folder / "fit", 3, 8, 1);
      testing::write_small_pictures(folder / "judge", 3, 8, 2);
      const auto pictures = testing::pictures_in(folder / "fit");
      const Preprocessing& p = vit.preprocessing();
      Loader loader(pictures, evaluation_transform(p), p.height, p.width, {}, silent_monitor());
      mappings = capture(vit, loader, static_cast<int64_t>(pictures.size()), fold_of,
                         {.bins = 64, .pairs = {}}, silent_monitor());
      EvolveOptions evolving;
      evolving.population = 60;
      evolving.generations = 6;
      evolving.seeds = 1;
      fronts = evolve(mappings, evolving, silent_monitor());
      yardstick = std::make_unique<Yardstick>(vit, testing::pictures_in(folder / "judge"), silent_monitor());
    }
    TemporaryFolder folder;
    Mappings mappings;
    Fronts fronts;
    std::unique_ptr<Yardstick> yardstick;
  };
  static Fixture* fixture_;
};

ChoiceTest::Fixture* ChoiceTest::fixture_ = nullptr;

double cost_of(const Plan& plan, const Profile& profile) {
  double cost = 0;
  for (const PlanEntry& entry : plan.entries) cost += profile(entry.expression) * 17 * 16;
  return cost;
}

TEST_F(ChoiceTest, WithoutABudgetIsNoWorseThanTheStrategiesThatLookAtOneSiteAtATime) {
  const Choice choice = choose({});
  ASSERT_EQ(choice.plan.entries.size(), 5U);
  EXPECT_LE(choice.chosen.measured, choice.knee.value().measured);
  EXPECT_LE(choice.chosen.measured, choice.min_error.value().measured);
  EXPECT_NEAR(choice.chosen.cost, cost_of(choice.plan, flops_profile()), 1e-6);
}

TEST_F(ChoiceTest, StaysWithinTheBudgetAndNoWorseThanTheKneeAtItsCost) {
  ChoiceOptions options;
  options.budget = choose({}).knee.value().cost;
  const Choice choice = choose(options);
  EXPECT_LE(choice.chosen.cost, *options.budget);
  EXPECT_LE(choice.chosen.measured, choice.knee.value().measured);
}

TEST_F(ChoiceTest, MeasuresWhatItSays) {
  const Choice choice = choose({});
  Graft graft(small_vit());
  for (const PlanEntry& entry : choice.plan.entries) graft.set_function(entry.site, entry.expression);
  EXPECT_NEAR(fixture_->yardstick->measure(graft.network()).kl, choice.chosen.measured, 1e-9);
}

TEST_F(ChoiceTest, NamesTheLeastCostWhereNothingFitsTheBudget) {
  Fronts dear = fixture_->fronts;
  for (SiteFront& site : dear.sites) {
    site.front = {site.front.back()};
    site.baselines.clear();
  }
  ChoiceOptions options;
  options.budget = 1e-3;
  try {
    choose_plan(dear, fixture_->mappings, small_vit(), flops_profile(), *fixture_->yardstick, options,
                silent_monitor());
    FAIL() << "a plan within 0.001 FLOPs";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("the cheapest costs"), std::string::npos) << error.what();
  }
}

TEST_F(ChoiceTest, UnderAProfileOfCircuitsCountsTheAreaOfUnitsAndLeavesOutWhatHasNoCircuit) {
  Fronts fronts = fixture_->fronts;
  FrontPoint without = fronts.sites[0].front.back();
  without.expression = Expression::parse("log2(x)");
  without.choose_error = 0;
  without.cost += 1;
  fronts.sites[0].front.push_back(without);
  const Profile ice40 = load_profile("ice40");
  const auto choose = [&] {
    return choose_plan(fronts, fixture_->mappings, small_vit(), ice40, *fixture_->yardstick, {},
                       silent_monitor());
  };
  const Choice choice = choose();
  double area = 0;
  for (const PlanEntry& entry : choice.plan.entries) {
    area += SiteCost(ice40, fixture_->mappings.site(entry.site))(entry.expression);
    EXPECT_NE(entry.reason.find(" LUT4 here,"), std::string::npos) << entry.reason;
  }
  EXPECT_NEAR(choice.chosen.cost, area, 1e-6);
  EXPECT_FALSE(choice.min_error) << "its function at the first site has no circuit";
  const Json json = to_json(choice);
  EXPECT_EQ(json["cost_of"], "unit");
  EXPECT_EQ(json["unit"], "LUT4");
  EXPECT_TRUE(json["min_error"].is_null());

  fronts.sites[0].front = {without};
  fronts.sites[0].baselines.clear();
  const std::string complaint = testing::input_error([&] { choose(); });
  EXPECT_NE(complaint.find("no function of site " + fronts.sites[0].site + " can be made a circuit"),
            std::string::npos)
      << complaint;
}

TEST_F(ChoiceTest, GivesTheSamePlanTwice) {
  EXPECT_EQ(to_json(choose({})).dump(), to_json(choose({})).dump());
}

TEST_F(ChoiceTest, ShowsWhatKeepingLayerNormWouldBuy) {
  ChoiceOptions options;
  options.keep = 5;
  const Choice choice = choose(options);
  ASSERT_EQ(choice.kept.size(), 5U);
  EXPECT_NEAR(choice.kept.back().measured, 0, 1e-9) << "with LayerNorm at all sites there is no difference";
  EXPECT_EQ(choice.plan.entries.size(), 5U) << "the plan itself replaces every site";
}

TEST_F(ChoiceTest, LeavesACurveOfRisingCostAndFallingPrediction) {
  const Choice choice = choose({});
  ASSERT_GE(choice.curve.size(), 2U);
  for (size_t i = 1; i < choice.curve.size(); ++i) {
    EXPECT_GT(choice.curve[i].cost, choice.curve[i - 1].cost);
    EXPECT_LT(choice.curve[i].predicted, choice.curve[i - 1].predicted);
  }
}

TEST_F(ChoiceTest, FindsPlansWhoseErrorsCancelByTrying) {
  ChoiceOptions options;
  options.trials = 0;
  const Choice untried = choose(options);
  EXPECT_LT(choose({}).chosen.measured, 0.99 * untried.chosen.measured);
}

TEST_F(ChoiceTest, KeepsLayerNormInTurnWhereThatHelpsMost) {
  ChoiceOptions options;
  options.keep = 4;
  const Choice choice = choose(options);
  ASSERT_EQ(choice.kept.size(), 4U);
  std::set<std::string> kept;
  for (const KeptSite& found : choice.kept) {
    std::map<double, std::string> by_distance;
    for (const PlanEntry& candidate : choice.plan.entries) {
      if (kept.contains(candidate.site)) continue;
      Graft graft(small_vit());
      for (const PlanEntry& entry : choice.plan.entries) {
        if (entry.site != candidate.site && !kept.contains(entry.site))
          graft.set_function(entry.site, entry.expression);
      }
      by_distance.emplace(fixture_->yardstick->measure(graft.network()).kl, candidate.site);
    }
    EXPECT_EQ(found.site, by_distance.begin()->second);
    EXPECT_NEAR(found.measured, by_distance.begin()->first, 1e-9);
    kept.insert(found.site);
  }
}

TEST_F(ChoiceTest, PredictsHalfTheWeightedSquaredErrorOfAPicture) {
  const SiteMapping& site = fixture_->mappings.sites[2];
  const Moments y = site.y_of(Measure::kWeight, Part::kFit);
  constexpr double kFitted = 15;  // of 24 pictures
  EXPECT_NEAR(predicted_divergence(Expression::parse("0"), site, Part::kFit) * kFitted,
              0.5 * (y.syy + y.weight * y.y * y.y), 1e-4 * y.syy);
}

class WithinTest : public ChoiceTest {
 protected:
  static Plan within(double distance) {
    return choose_within(fixture_->fronts, fixture_->mappings, small_vit(), *fixture_->yardstick, distance,
                         silent_monitor());
  }

  static double measured(const Plan& plan) {
    Graft graft(small_vit());
    for (const PlanEntry& entry : plan.entries) graft.set_function(entry.site, entry.expression);
    return fixture_->yardstick->measure(graft.network()).kl;
  }
};

TEST_F(WithinTest, IsNoFartherFromTheBestPlanThanAskedAndSaysWhatItMeasured) {
  const PlanCurve curve(fixture_->fronts, fixture_->mappings);
  const Plan best = curve.within(0);
  std::set<double> costs;
  for (const double distance : {1e-5, 1e-3, 1e-2, 0.1, 1.0}) {
    const Plan plan = within(distance);
    ASSERT_TRUE(plan.nearness);
    EXPECT_TRUE(plan.nearness->measured);
    EXPECT_NEAR(plan.nearness->loss, measured(plan), 1e-9);
    EXPECT_NEAR(plan.nearness->least_loss, measured(best), 1e-9);
    EXPECT_LE(plan.nearness->loss, plan.nearness->least_loss + distance);
    EXPECT_LE(plan.nearness->cost, plan.nearness->cost_of_least_loss);
    EXPECT_NEAR(plan.nearness->cost, cost_of(plan, flops_profile(kSearchClipCost)), 1e-6);
    costs.insert(plan.nearness->cost);
  }
  EXPECT_GE(costs.size(), 2U) << "a wider distance leads to a cheaper plan";
  EXPECT_EQ(within(0.01).strategy, "within 0.01 nats");
}

TEST_F(WithinTest, IsTheBestPlanAtNoDistanceAndTheCheapestAtAnyDistance) {
  const PlanCurve curve(fixture_->fronts, fixture_->mappings);
  EXPECT_EQ(within(0).nearness->cost, curve.within(0).nearness->cost);
  EXPECT_EQ(within(1e6).nearness->cost, curve.within(1e6).nearness->cost);
}

TEST_F(WithinTest, LooksCloserWherePredictionsAreFarTooLow) {
  // With weights a ten-thousandth of what they were, every plan is predicted to lose hardly anything.
  Mappings light = fixture_->mappings;
  for (SiteMapping& site : light.sites) {
    for (auto& bins : site.bins[static_cast<size_t>(Measure::kWeight)]) {
      for (Moments& bin : bins) {
        bin.weight *= 1e-4;
        bin.sxx *= 1e-4;
        bin.sxy *= 1e-4;
        bin.syy *= 1e-4;
      }
    }
  }
  const Plan plan =
      choose_within(fixture_->fronts, light, small_vit(), *fixture_->yardstick, 0.01, silent_monitor());
  EXPECT_LE(measured(plan), plan.nearness->least_loss + 0.01);
}

TEST_F(WithinTest, RefusesWhatIsNoDistance) {
  EXPECT_EQ(testing::input_error([] { within(-0.1); }), "select: within is -0.1, expected 0 to 1000000");
  EXPECT_NE(testing::input_error([] { predict_within(fixture_->fronts, fixture_->mappings, std::nan("")); }),
            "");
}

TEST_F(WithinTest, IsPredictedAloneWhereAsked) {
  const Plan plan = predict_within(fixture_->fronts, fixture_->mappings, 0.01);
  EXPECT_FALSE(plan.nearness->measured);
  EXPECT_LE(plan.nearness->loss, plan.nearness->least_loss + 0.01);
}

TEST_F(ChoiceTest, ExpectsAlongTheCurveWhatPlansNearTheBestLose) {
  const Choice choice = choose({});
  const ChoicePoint& last = choice.curve.back();
  EXPECT_NEAR(last.predicted / last.measured, 1, 0.5);
}

}  // namespace
}  // namespace normgraft
