#include "pareto.h"

#include <gtest/gtest.h>

#include "normgraft/core/random.h"

namespace normgraft {
namespace {

Individual individual(double cost, double error, uint64_t structure) {
  return {.expression = Expression(), .error = error, .cost = cost, .structure = structure};
}

bool dominates(const Individual& a, const Individual& b) {
  return a.cost <= b.cost && a.error <= b.error && (a.cost < b.cost || a.error < b.error);
}

std::vector<Individual> random_individuals(size_t n, uint64_t seed) {
  Random random{seed};
  std::vector<Individual> result;
  for (size_t i = 0; i < n; ++i) {
    result.push_back(individual(static_cast<double>(random.below(20)), random.uniform(), i));
  }
  return result;
}

/// Rank by peeling off the individuals that nothing left dominates.
std::vector<std::vector<uint64_t>> peeled(std::vector<Individual> left) {
  std::vector<std::vector<uint64_t>> ranks;
  while (!left.empty()) {
    std::vector<Individual> dominated;
    std::vector<uint64_t> rank;
    for (const Individual& a : left) {
      const bool beaten =
          std::any_of(left.begin(), left.end(), [&](const Individual& b) { return dominates(b, a); });
      if (beaten) {
        dominated.push_back(a);
      } else {
        rank.push_back(a.structure);
      }
    }
    std::sort(rank.begin(), rank.end());
    ranks.push_back(rank);
    left = dominated;
  }
  return ranks;
}

std::vector<Individual> best_of(std::vector<Individual> candidates, size_t capacity) {
  return select_best(std::move(candidates), capacity, [](const Individual&) { return true; });
}

TEST(SelectBest, OrdersByTheRanksThatPeelingGives) {
  const auto all = random_individuals(300, 3);
  const auto best = best_of(all, all.size());
  ASSERT_EQ(best.size(), all.size());
  size_t next = 0;
  for (const auto& rank : peeled(all)) {
    std::vector<uint64_t> found;
    for (size_t i = 0; i < rank.size(); ++i) found.push_back(best[next++].structure);
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, rank);
  }
}

TEST(SelectBest, PrefersTheEndsOfAFrontAndThenTheLonelyPoints) {
  const auto best = best_of(
      {individual(0, 1.0, 1), individual(1, 0.9, 2), individual(2, 0.88, 3), individual(10, 0.0, 4)}, 3);
  ASSERT_EQ(best.size(), 3);
  EXPECT_EQ(best[0].structure, 1);
  EXPECT_EQ(best[1].structure, 4);
  EXPECT_EQ(best[2].structure, 3);
}

TEST(SelectBest, KeepsTheMostAccurateOfEachStructure) {
  const auto best = best_of({individual(3, 0.5, 9), individual(3, 0.4, 9), individual(3, 0.6, 9)}, 10);
  ASSERT_EQ(best.size(), 1);
  EXPECT_EQ(best[0].error, 0.4);
}

TEST(SelectBest, KeepsOneOfSeveralWithEqualFigures) {
  const auto best =
      best_of({individual(3, 0.5, 1), individual(3, 0.5 + 1e-12, 2), individual(4, 0.5, 3)}, 10);
  ASSERT_EQ(best.size(), 2);
  EXPECT_EQ(best[0].cost, 3);
  EXPECT_EQ(best[1].cost, 4);
}

TEST(SelectBest, DoesNotDependOnTheOrderOfTheCandidates) {
  auto all = random_individuals(200, 8);
  const auto best = best_of(all, 50);
  std::reverse(all.begin(), all.end());
  const auto again = best_of(all, 50);
  for (size_t i = 0; i < best.size(); ++i) EXPECT_EQ(best[i].structure, again[i].structure);
}

TEST(ParetoFront, HoldsExactlyWhatNothingDominates) {
  const auto all = random_individuals(300, 4);
  const auto front = pareto_front(all);
  EXPECT_EQ(front.size(), peeled(all).front().size());
  for (size_t i = 1; i < front.size(); ++i) {
    EXPECT_GT(front[i].cost, front[i - 1].cost);
    EXPECT_LT(front[i].error, front[i - 1].error);
  }
}

TEST(StructureHash, IgnoresConstantsAndTheOrderOfOperandsThatCommute) {
  const auto hash = [](const char* text) { return structure_hash(Expression::parse(text)); };
  EXPECT_EQ(hash("2*x + 1"), hash("7 + x*3"));
  EXPECT_EQ(hash("min(tanh(x), 3)"), hash("min(-1, tanh(x))"));
  EXPECT_EQ(hash("clip(x, -1, 1)"), hash("clip(x, -2, 5)"));
  EXPECT_NE(hash("x - 1"), hash("1 - x"));
  EXPECT_NE(hash("x/2"), hash("2/x"));
  EXPECT_NE(hash("min(x, 3)"), hash("max(x, 3)"));
  EXPECT_NE(hash("tanh(x) + x"), hash("tanh(x + x)"));
  EXPECT_NE(hash("x + x"), hash("x + 1"));
}

TEST(SelectBest, PassesOverWhatIsRefusedAndAsksNoMoreThanItTakes) {
  const std::vector<Individual> all = {individual(1, 0.9, 1), individual(2, 0.5, 2), individual(3, 0.1, 3),
                                       individual(3, 0.6, 4)};
  int asked = 0;
  const auto best = select_best(all, 2, [&](const Individual& i) {
    ++asked;
    return i.structure != 3;
  });
  ASSERT_EQ(best.size(), 2);
  EXPECT_EQ(best[0].structure + best[1].structure, 3U);
  EXPECT_LE(asked, 3);
}

}  // namespace
}  // namespace normgraft
