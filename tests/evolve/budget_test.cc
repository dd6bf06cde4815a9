#include "normgraft/evolve/budget.h"

#include <gtest/gtest.h>

#include <cmath>

#include "normgraft/core/random.h"

namespace normgraft {
namespace {

std::vector<std::vector<Option>> random_sites(size_t sites, size_t options, uint64_t seed) {
  Random random{seed};
  std::vector<std::vector<Option>> all(sites);
  for (auto& site : all) {
    for (size_t i = 0; i < options; ++i)
      site.push_back({static_cast<double>(random.below(20)), random.uniform(0.0, 1.0)});
  }
  return all;
}

/// The least loss of all selections within a budget, by trying every one.
double least_loss(const std::vector<std::vector<Option>>& sites, double budget, size_t from = 0) {
  if (budget < 0) return std::numeric_limits<double>::infinity();
  if (from == sites.size()) return 0;
  double least = std::numeric_limits<double>::infinity();
  for (const Option& option : sites[from]) {
    least = std::min(least, option.loss + least_loss(sites, budget - option.cost, from + 1));
  }
  return least;
}

TEST(BudgetCurve, LosesAsLittleAsTheBestOfAllSelectionsForEveryBudget) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const auto sites = random_sites(5, 6, seed);
    const auto curve = budget_curve(sites);
    for (double budget = curve.front().cost; budget <= curve.back().cost + 5; ++budget) {
      EXPECT_NEAR(curve[within_budget(curve, budget)].loss, least_loss(sites, budget), 1e-12)
          << "budget " << budget;
    }
  }
}

TEST(BudgetCurve, NamesTheOptionsThatItsSumsAreMadeOf) {
  const auto sites = random_sites(12, 9, 3);
  const auto curve = budget_curve(sites);
  for (size_t i = 0; i < curve.size(); ++i) {
    double cost = 0, loss = 0;
    for (size_t s = 0; s < sites.size(); ++s) {
      cost += sites[s][curve[i].options[s]].cost;
      loss += sites[s][curve[i].options[s]].loss;
    }
    EXPECT_NEAR(curve[i].cost, cost, 1e-9);
    EXPECT_NEAR(curve[i].loss, loss, 1e-9);
    if (i > 0) {
      EXPECT_GT(curve[i].cost, curve[i - 1].cost);
      EXPECT_LT(curve[i].loss, curve[i - 1].loss);
    }
  }
}

TEST(BudgetCurve, StaysTrueAndNearTheBestWhenStatesAreThinned) {
  const auto sites = random_sites(10, 8, 5);
  const auto exact = budget_curve(sites), thinned = budget_curve(sites, 60);
  EXPECT_LE(thinned.size(), 62U);
  EXPECT_EQ(thinned.front().cost, exact.front().cost);
  EXPECT_NEAR(thinned.back().loss, exact.back().loss, 1e-12);
  for (const Selection& selection : thinned) {
    const double best = exact[within_budget(exact, selection.cost)].loss;
    EXPECT_GE(selection.loss, best - 1e-12);
    EXPECT_LT(selection.loss, best + 0.5);
  }
}

TEST(BudgetCurve, KeepsTheBestOfEachStepOfCostWhenStatesAreThinned) {
  // Costs 0 to 10 in five steps of 2: the cheapest of all, and of each step the last, which loses least.
  std::vector<Option> options;
  for (int i = 0; i <= 10; ++i) options.push_back({1.0 * i, 10.0 - i});
  std::vector<double> costs;
  for (const Selection& selection : budget_curve({options}, 5)) costs.push_back(selection.cost);
  EXPECT_EQ(costs, (std::vector<double>{0, 1, 3, 5, 7, 9, 10}));
}

TEST(BudgetCurve, IsEmptyWhereASiteHasNoOption) {
  EXPECT_TRUE(budget_curve({}).empty());
  EXPECT_TRUE(budget_curve({{{1, 1}}, {}}).empty());
}

TEST(RankCorrelation, IsOneForTheSameOrderMinusOneForTheReverseAndKnowsTies) {
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {10, 20, 21, 900}), 1);
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {9, 7, 2, -1}), -1);
  EXPECT_NEAR(rank_correlation({1, 2, 2, 3}, {1, 3, 2, 4}), 0.9486832980505138,
              1e-12);  // scipy.stats.spearmanr
  EXPECT_TRUE(std::isnan(rank_correlation({1}, {2})));
  EXPECT_TRUE(std::isnan(rank_correlation({1, 1}, {2, 3})));
}

}  // namespace
}  // namespace normgraft
