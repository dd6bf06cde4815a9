#include "normgraft/evolve/plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "normgraft/mapping/baselines.h"

namespace normgraft {
namespace {

FrontPoint point(double cost, double error, const char* text = "x") {
  return {.expression = Expression::parse(text),
          .cost = cost,
          .error = error,
          .r2 = 1 - error,
          .held_out_r2 = 0.9,
          .choose_error = error,
          .choose_r2 = 1 - error};
}

Fronts two_sites() {
  Fronts fronts{.options = {}, .unit = "FLOPs", .sites = {}};
  for (const char* name : {"blocks.0.norm1", "norm"}) {
    SiteFront site{.site = name, .seen = {-3, 3}, .ceiling = 0.95, .held_out_ceiling = 0.94};
    site.front = {point(0, 1.0, "0.5"), point(1, 0.2, "2*x"), point(2, 0.1, "clip(x, -1, 1)"),
                  point(26, 0.06, "tanh(x)")};
    site.baselines = {{"clip", point(3, 0.15, "clip(2*x, -1, 1)")}};
    fronts.sites.push_back(site);
  }
  return fronts;
}

TEST(Knee, IsThePointFarthestBelowTheChord) {
  EXPECT_EQ(knee({point(0, 1.0), point(1, 0.9), point(2, 0.1), point(10, 0.0)}), 2);
  EXPECT_EQ(knee({point(0, 1.0), point(1, 0.2), point(2, 0.15), point(10, 0.1)}), 1);
}

TEST(Knee, DoesNotDependOnTheUnitsOfTheAxes) {
  EXPECT_EQ(knee({point(7, 1.003), point(107, 1.002), point(207, 1.0001), point(1007, 1.0)}), 2);
}

TEST(Knee, IsTheMostAccurateOfTwoPointsOrFewer) {
  EXPECT_EQ(knee({point(3, 0.5)}), 0);
  EXPECT_EQ(knee({point(3, 0.5), point(9, 0.1)}), 1);
}

TEST(Knee, IsTheMostAccurateWhenNothingIsBelowTheChord) {
  EXPECT_EQ(knee({point(0, 1.0), point(5, 0.9), point(10, 0.0)}), 2);
}

TEST(Knee, PassesOverPointsThatAreNoMoreAccurateToChooseByThanACheaperOne) {
  std::vector<FrontPoint> front = {point(0, 1.0), point(1, 0.5), point(2, 0.1), point(3, 0.05),
                                   point(9, 0.0)};
  EXPECT_EQ(knee(front), 2);
  front[2].choose_error = 0.6;  // better where fitted, worse where chosen
  EXPECT_EQ(knee(front), 3);
  front[4].choose_error = 0.5;  // now the fourth point is the most accurate and ends the chord
  EXPECT_EQ(most_accurate(front), 3);
  EXPECT_EQ(knee(front), 1);
}

TEST(MostAccurate, IsJudgedByThePicturesToChooseByAndCheapestOfEquals) {
  std::vector<FrontPoint> front = {point(0, 1.0), point(1, 0.5), point(2, 0.1)};
  EXPECT_EQ(most_accurate(front), 2);
  front[2].choose_error = 0.5;
  EXPECT_EQ(most_accurate(front), 1);
}

TEST(SelectPlan, TakesTheKneeTheMostAccurateOrAShapeAtEverySite) {
  const Fronts fronts = two_sites();
  const auto texts = [&](const char* strategy) {
    std::vector<std::string> result;
    for (const PlanEntry& entry : select_plan(fronts, strategy).entries)
      result.push_back(entry.expression.to_string());
    return result;
  };
  const auto twice = [](const char* text) {
    return std::vector<std::string>(2, Expression::parse(text).to_string());
  };
  EXPECT_EQ(texts("knee"), twice("clip(x, -1, 1)"));
  EXPECT_EQ(texts("min-error"), twice("tanh(x)"));
  EXPECT_EQ(texts("shape:clip"), twice("clip(2*x, -1, 1)"));
}

TEST(SelectPlan, GivesReasonsWithFigures) {
  const Plan plan = select_plan(two_sites(), "knee");
  ASSERT_EQ(plan.entries.size(), 2);
  EXPECT_EQ(plan.entries[1].site, "norm");
  EXPECT_EQ(
      plan.entries[0].reason,
      "Point 3 of 4, the knee on the pictures to choose by: R2 0.90000 for 2 FLOPs on pictures held out, "
      "where the ceiling is estimated at 0.94000; the most accurate has 0.90000 for 26.");
  EXPECT_EQ(select_plan(two_sites(), "min-error").entries[0].reason,
            "The most accurate of 4 points on the pictures to choose by: R2 0.90000 for 26 FLOPs on pictures "
            "held out, where the ceiling is estimated at 0.94000.");
  EXPECT_EQ(
      select_plan(two_sites(), "shape:clip").entries[0].reason,
      "The fitted closed form clip, as at every site: R2 0.90000 for 3 FLOPs on pictures held out, where "
      "the ceiling is estimated at 0.94000.");
}

TEST(SelectPlan, NamesWhatIsUnknownInsteadOfPrintingIt) {
  Fronts fronts = two_sites();
  for (SiteFront& site : fronts.sites) {
    site.held_out_ceiling = std::nan("");
    for (FrontPoint& p : site.front) p.held_out_r2 = -std::numeric_limits<double>::infinity();
  }
  for (const char* strategy : {"knee", "min-error", "shape:clip"}) {
    const std::string text = to_json(select_plan(fronts, strategy)).dump();
    EXPECT_EQ(text.find("nan"), std::string::npos) << text;
    EXPECT_EQ(text.find("inf"), std::string::npos) << text;
    EXPECT_NE(text.find("the ceiling is estimated at unknown"), std::string::npos) << text;
  }
}

TEST(SelectPlan, SaysWhatWasSeenAndWhereConstantsLie) {
  Fronts fronts = two_sites();
  fronts.options.fraction_bits = 7;
  const Plan plan = select_plan(fronts, "knee");
  EXPECT_EQ(plan.grid.fraction_bits, 7);
  EXPECT_EQ(plan.entries[0].seen.low, -3);
  const Plan again = plan_from_json(Json::parse(to_json(plan).dump()), "plan.json");
  EXPECT_EQ(again.grid, plan.grid);
  EXPECT_EQ(again.entries[1].seen.low, -3);
  EXPECT_EQ(again.entries[1].seen.high, 3);
}

TEST(PlanJson, OfVersion1KnowsNeitherGridNorWhatWasSeen) {
  Json json = to_json(select_plan(two_sites(), "knee"));
  json["version"] = 1;
  json.erase("grid");
  for (Json& site : json["sites"]) site.erase("seen");
  const Plan plan = plan_from_json(json, "plan.json");
  EXPECT_TRUE(plan.grid.allows_all());
  EXPECT_TRUE(plan.entries[0].seen.is_entire());
  // It can be written and read again.
  EXPECT_TRUE(plan_from_json(to_json(plan), "plan.json").entries[0].seen.is_entire());
}

TEST(PlanJson, OfVersion2DoesNotKnowHowNearItIs) {
  Plan plan = select_plan(two_sites(), "knee");
  plan.nearness = Nearness{0.01, "nats", true, 0.3, 0.295, 1e6, 2e6};
  Json json = to_json(plan);
  const Plan again = plan_from_json(json, "plan.json");
  ASSERT_TRUE(again.nearness);
  EXPECT_EQ(to_json(again).dump(), json.dump());
  json["version"] = 2;
  json.erase("nearness");
  EXPECT_FALSE(plan_from_json(json, "plan.json").nearness);
}

TEST(SelectPlan, RefusesAnUnknownStrategyAndNamesThoseThatExist) {
  for (const char* strategy : {"best", "shape:spline", "shape:", ""}) {
    try {
      select_plan(two_sites(), strategy);
      FAIL() << strategy;
    } catch (const InputError& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find("knee, min-error"), std::string::npos);
      for (const std::string& name : baseline_names())
        EXPECT_NE(message.find(name), std::string::npos) << name;
    }
  }
}

TEST(SelectPlan, RefusesASiteWithoutThatClosedForm) {
  EXPECT_THROW(select_plan(two_sites(), "shape:erf"), InputError);
}

TEST(PlanJson, GivesBackThePlan) {
  const Plan plan = select_plan(two_sites(), "knee");
  const Plan again = plan_from_json(Json::parse(to_json(plan).dump()), "plan.json");
  EXPECT_EQ(to_json(again).dump(), to_json(plan).dump());
  EXPECT_EQ(again.entries[0].expression, plan.entries[0].expression);
}

TEST(PlanJson, NamesTheFileAndTheFieldThatIsWrong) {
  const Json good = to_json(select_plan(two_sites(), "knee"));
  const auto message = [](const Json& json) -> std::string {
    try {
      plan_from_json(json, "plan.json");
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  };
  Json missing = good;
  missing["sites"][1].erase("expression");
  EXPECT_EQ(message(missing), "plan.json: sites[1].expression is missing");
  Json unreadable = good;
  unreadable["sites"][0]["expression"] = "tanh(";
  EXPECT_TRUE(message(unreadable).starts_with("plan.json: sites[0].expression: ")) << message(unreadable);
  Json twice = good;
  twice["sites"][1]["name"] = good["sites"][0]["name"];
  EXPECT_EQ(message(twice), "plan.json: sites[1]: site blocks.0.norm1 appears twice");
  Json newer = good;
  newer["version"] = 4;
  EXPECT_EQ(message(newer), "plan.json: version 4 is newer than version 3, the newest this program reads");
  EXPECT_EQ(message(Json(3)), "plan.json: expected an object");
}

}  // namespace
}  // namespace normgraft
