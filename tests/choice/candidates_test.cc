#include "candidates.h"

#include <gtest/gtest.h>

namespace normgraft {
namespace {

SiteCandidates candidates(const std::vector<double>& predicted) {
  SiteCandidates site{"norm", {}};
  for (const double p : predicted) {
    Candidate c;
    c.cost = static_cast<double>(site.candidates.size());
    c.predicted = p;
    site.candidates.push_back(c);
  }
  return site;
}

TEST(Candidates, ToMeasureAreTheCheapestTheMiddleAndTheMostAccurate) {
  EXPECT_EQ(to_measure(candidates({1.0, 0.5, 0.11, 0.02, 0.01})), (std::vector<size_t>{0, 2, 4}));
  EXPECT_EQ(to_measure(candidates({0.2})), (std::vector<size_t>{0}));
}

TEST(Candidates, LossesBetweenThoseKnownFollowTheLogarithmOfThePrediction) {
  SiteCandidates site = candidates({1.0, 0.1, 0.01, 0.001, 0.0001});
  expect(site, {1, 3}, {0.4, 0.2});
  const double wanted[] = {0.4, 0.4, 0.3, 0.2, 0.2};
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(site.candidates[i].loss, wanted[i], 1e-12) << i;
}

TEST(Candidates, AMeasurementStandsAlsoBesideAnEqualPrediction) {
  SiteCandidates site = candidates({0.1, 0.1, 0.01});
  expect(site, {0, 1, 2}, {0.3, 0.5, 0.1});
  EXPECT_EQ(site.candidates[0].loss, 0.3);
  EXPECT_EQ(site.candidates[1].loss, 0.5);
}

TEST(Candidates, AreWorthTheirCostWhereEachIsPredictedToLoseLess) {
  EXPECT_EQ(worth_their_cost(candidates({1.0, 0.99, 0.5, 0.6, 0.49, 0.1})), (std::vector<size_t>{0, 2, 5}));
  EXPECT_EQ(worth_their_cost(candidates({0.2, 0.2})), (std::vector<size_t>{0}));
}

}  // namespace
}  // namespace normgraft
