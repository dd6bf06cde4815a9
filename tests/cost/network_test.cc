#include "normgraft/cost/network.h"

#include <gtest/gtest.h>

namespace normgraft {
namespace {

// Horowitz, ISSCC 2014, 45 nm: a 32-bit float addition 0.9 pJ, a multiplication 3.7 pJ, 32 bits from DRAM 640
// pJ.
constexpr double kOperation = (0.9 + 3.7) / 2;
constexpr double kDramWord = 640;

/// Four tokens of two channels, and three of five.
const std::vector<SiteShape> kSites = {{"a", 4, 2}, {"b", 3, 5}};

void expect_cost(const NormCost& cost, double ops, double words) {
  EXPECT_DOUBLE_EQ(cost.ops, ops);
  EXPECT_DOUBLE_EQ(cost.bytes, 4 * words);
  EXPECT_DOUBLE_EQ(cost.energy_pj, kOperation * ops + kDramWord * words);
}

TEST(NormCost, OfLayerNormReadsEveryElementTwiceAndWritesItOnce) {
  // Over D channels of a token: sum D - 1, times 1/D; D differences; D squares, a sum of D - 1, times 1/D;
  // epsilon, root and reciprocal; D products. 13 for D = 2, 28 for D = 5.
  expect_cost(layernorm_cost(kSites), 4 * 13 + 3 * 28, 3 * (4 * 2 + 3 * 5));
}

TEST(NormCost, OfAFunctionReadsEveryElementOnceAndWritesItOnce) {
  const std::map<std::string, Expression> functions = {{"a", Expression::parse("2*x + 1")},
                                                       {"b", Expression::parse("tanh(x)")}};
  expect_cost(graft_cost(kSites, functions, flops_profile()), 8 * 2 + 15 * 23, 2 * (8 + 15));
}

TEST(NormCost, OfAGraftCountsTheSitesThatKeepLayerNorm) {
  const std::map<std::string, Expression> functions = {{"a", Expression::parse("2*x + 1")}};
  expect_cost(graft_cost(kSites, functions, flops_profile()), 8 * 2 + 3 * 28, 2 * 8 + 3 * 15);
  const NormCost all = layernorm_cost(kSites), none = graft_cost(kSites, {}, flops_profile());
  EXPECT_EQ(none.ops, all.ops);
  EXPECT_EQ(none.bytes, all.bytes);
  EXPECT_EQ(none.energy_pj, all.energy_pj);
}

TEST(NormCost, OfAFunctionOfTwoVariablesCountsWhatIsDoneForATokenOnce) {
  const std::map<std::string, Expression> functions = {{"a", Expression::parse("x*rsqrt(r)")},
                                                       {"b", Expression::parse("x*exp(r)")}};
  expect_cost(graft_cost(kSites, functions, flops_profile()), (8 + 4 * 2) + (15 + 3 * 20), 2 * (8 + 15));
}

TEST(NormCost, OfNoSitesIsNothing) {
  expect_cost(layernorm_cost({}), 0, 0);
}

}  // namespace
}  // namespace normgraft
