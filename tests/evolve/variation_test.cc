#include "variation.h"

#include <gtest/gtest.h>

#include <cmath>

namespace normgraft {
namespace {

class VariationOf : public ::testing::TestWithParam<const char*> {};

bool only_published_bounds(const Expression& f) {
  for (const Instruction& step : f.program()) {
    if (step.op == Op::kClip && (step.c[0] != -5.0F || step.c[1] != 5.0F)) return false;
  }
  return true;
}

bool only_primitives_of(const FunctionSet& set, const Expression& f) {
  return std::all_of(f.program().begin(), f.program().end(), [&](const Instruction& step) {
    return primitive(step.op).arity == 0 ||
           std::any_of(set.weights.begin(), set.weights.end(),
                       [&](const auto& entry) { return entry.first == step.op; });
  });
}

TEST_P(VariationOf, KeepsThousandsOfTreesWellFormedAndWithinTheBounds) {
  const FunctionSet set = function_set(GetParam());
  for (const int max_nodes : {1, 2, 5, 20}) {
    const Variation variation(set, 3.0, max_nodes);
    std::vector<Expression> trees;
    for (uint64_t i = 0; i < 300; ++i) {
      Random random{5, i, static_cast<uint64_t>(max_nodes)};
      const int depth = 1 + static_cast<int>(i % 5);
      trees.emplace_back(variation.random_tree(depth, i % 2 == 0, random));
      ASSERT_LE(trees.back().depth(), static_cast<size_t>(depth));
      ASSERT_LE(trees.back().size(), static_cast<size_t>(max_nodes));
    }
    for (uint64_t i = 0; i < 5000; ++i) {
      Random random{6, i, static_cast<uint64_t>(max_nodes)};
      const Expression& a = trees[random.below(trees.size())];
      const Expression& b = trees[random.below(trees.size())];
      const Expression child(variation.vary(a.program(), b.program(), random));
      ASSERT_LE(child.size(), static_cast<size_t>(max_nodes)) << child.to_string();
      ASSERT_TRUE(only_primitives_of(set, child)) << child.to_string();
      ASSERT_TRUE(set.free_clip_bounds || only_published_bounds(child)) << child.to_string();
      trees[i % trees.size()] = child;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(FunctionSets, VariationOf, ::testing::Values("paper", "hardware", "circuit"));

TEST(Variation, DrawsConstantsOnTheScaleOfXAndOfItsReciprocal) {
  const Variation variation(function_set("hardware"), 1000.0, 20);
  int constants = 0, large = 0, small = 0;
  for (uint64_t i = 0; i < 20'000; ++i) {
    Random random{i};
    const Program leaf = variation.random_tree(1, true, random);
    if (leaf[0].op != Op::kConstant) continue;
    ++constants;
    large += std::abs(leaf[0].c[0]) > 30;
    small += std::abs(leaf[0].c[0]) < 0.005;
  }
  EXPECT_NEAR(constants, 8000, 350);
  // A quarter each; of a normal number of scale 1000, 2.4 % are below 30 in size.
  EXPECT_NEAR(large, constants / 4, constants / 25);
  EXPECT_NEAR(small, constants / 4, constants / 25);
}

TEST(Variation, FullTreesWithoutUnaryOperatorsReachTheirDepth) {
  const FunctionSet sums{.name = "sums", .weights = {{Op::kAdd, 1.0}}};
  const Variation variation(sums, 1.0, 200);
  Random random{1};
  EXPECT_EQ(Expression(variation.random_tree(4, true, random)).size(), 15);
}

TEST(Variation, CrossoverTakesItsPartsFromBothParents) {
  const Variation variation(function_set("hardware"), 1.0, 20);
  const Expression a = Expression::parse("tanh(x) + x");
  const Expression b = Expression::parse("erf(x)");
  bool mixed = false;
  for (uint64_t i = 0; i < 100; ++i) {
    Random random{i};
    mixed |= Expression(variation.crossover(a.program(), b.program(), random)) ==
             Expression::parse("tanh(x) + erf(x)");
  }
  EXPECT_TRUE(mixed);
}

TEST(Variation, HoistShortensAndKeepsTheProgramWellFormed) {
  const Variation variation(function_set("hardware"), 1.0, 20);
  const Expression a = Expression::parse("2*tanh(x*3 + 1) + abs(x)");
  bool shorter = false;
  for (uint64_t i = 0; i < 100; ++i) {
    Random random{i};
    const Expression child(variation.hoist(a.program(), random));
    ASSERT_LE(child.size(), a.size());
    shorter |= child.size() < a.size();
  }
  EXPECT_TRUE(shorter);
}

TEST(Variation, PerturbingConstantsKeepsTheStructureAndTheOrderOfBounds) {
  const Variation variation(function_set("hardware"), 1.0, 20);
  const Expression a = Expression::parse("2*clip(x + 0.5, -0.01, 0.01)");
  for (uint64_t i = 0; i < 200; ++i) {
    Random random{i};
    const Expression child(variation.perturb_constants(a.program(), random));
    ASSERT_EQ(child.hash(false), a.hash(false));
    ASSERT_NE(child, a);
  }
}

}  // namespace
}  // namespace normgraft
