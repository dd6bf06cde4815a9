#include <gtest/gtest.h>

#include "normgraft/evolve/evolve.h"

namespace normgraft {
namespace {

FrontPoint point(double cost, double choose_r2, double held_out_r2) {
  return {.expression = {},
          .cost = cost,
          .error = 1 - choose_r2,
          .held_out_r2 = held_out_r2,
          .choose_error = 1 - choose_r2};
}

SiteFront site() {
  SiteFront site;
  site.front = {point(0, 0.1, 0.1), point(2, 0.8, 0.8), point(5, 0.9, 0.9), point(9, 0.95, 0.95)};
  site.baselines = {
      {"line", point(2, 0.7, 0.7)}, {"clip", point(3, 0.79, 0.79)}, {"erf", point(38, 0.94, 0.94)}};
  return site;
}

TEST(BeatsClosedForms, WhereEachHasANearerPointAtNoHigherCost) {
  EXPECT_TRUE(beats_closed_forms(site()));
}

TEST(BeatsClosedForms, NotWhereOneIsAsNearOrNearer) {
  for (const double r2 : {0.8, 0.85}) {
    SiteFront equal = site();
    equal.baselines[1].point.held_out_r2 = r2;
    EXPECT_FALSE(beats_closed_forms(equal)) << r2;
  }
  SiteFront better = site();
  better.baselines[2].point.held_out_r2 = 0.96;
  EXPECT_FALSE(beats_closed_forms(better));
}

TEST(BeatsClosedForms, NotByPointsThatCostMore) {
  SiteFront cheap = site();
  cheap.baselines.push_back({"isru", point(4.5, 0.85, 0.85)});
  EXPECT_FALSE(beats_closed_forms(cheap));
  cheap.baselines.back().point.cost = 5;
  EXPECT_TRUE(beats_closed_forms(cheap));
}

TEST(BeatsClosedForms, NotByAPointThatTheChoiceWouldNotTake) {
  SiteFront lucky = site();
  lucky.front[3] = point(9, 0.89, 0.99);  // nearest on the pictures held out, not where one chooses
  EXPECT_FALSE(beats_closed_forms(lucky));
}

TEST(BeatsClosedForms, WhateverIsNoNearerThanTheCheapestPointDoesNotCount) {
  SiteFront bad = site();
  bad.baselines.push_back({"tanh", point(0, 0.05, 0.05)});
  bad.front.erase(bad.front.begin());
  EXPECT_TRUE(beats_closed_forms(bad));
}

}  // namespace
}  // namespace normgraft
