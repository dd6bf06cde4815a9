#include <gtest/gtest.h>

#include <set>

#include "normgraft/evolve/evolve.h"

namespace normgraft {
namespace {

std::string message_of(const EvolveOptions& options) {
  try {
    options.validate();
  } catch (const InputError& error) {
    return error.what();
  }
  return "valid";
}

TEST(EvolveOptions, AreValidByDefault) {
  EXPECT_EQ(message_of({}), "valid");
}

TEST(EvolveOptions, NameTheFieldItsValueAndItsRange) {
  EXPECT_EQ(message_of({.population = 7}), "population = 7: expected 8 to 100000");
  EXPECT_EQ(message_of({.generations = 0}), "generations = 0: expected 1 to 100000");
  EXPECT_EQ(message_of({.population = 20, .tournament = 21}), "tournament = 21: expected 1 to 20");
  EXPECT_EQ(message_of({.max_nodes = 201}), "max_nodes = 201: expected 1 to 200");
  EXPECT_EQ(message_of({.initial_depth = 0}), "initial_depth = 0: expected 1 to 10");
  EXPECT_EQ(message_of({.constant_iterations = -1}), "constant_iterations = -1: expected 0 to 1000");
  EXPECT_NE(message_of({.tail_penalty = std::nan("")}).find("tail_penalty = nan"), std::string::npos);
  EXPECT_EQ(message_of({.seeds = 0}), "seeds = 0: expected 1 to 1000");
  EXPECT_EQ(message_of({.threads = -1}), "threads = -1: expected 0 to 4096");
  EXPECT_EQ(message_of({.search_bins = 8}), "search_bins = 8: expected 16 to 65536");
  EXPECT_EQ(message_of({.function_set = "papers"}),
            "function_set = papers: expected hardware, paper, or primitives like +,*,clip=2");
}

TEST(EvolveOptions, NameTheStartThatCannotBeUsed) {
  EXPECT_EQ(message_of({.max_nodes = 4, .starts = {"x", "tanh(2*x)+1"}}),
            "start tanh(2*x)+1: 6 nodes, expected at most max_nodes = 4");
  EXPECT_TRUE(message_of({.starts = {"tan(x)"}}).starts_with("start tan(x): "));
  EXPECT_EQ(message_of({.digits = 3, .fraction_bits = 8}),
            "digits = 3 and fraction_bits = 8: expected one of them");
}

TEST(FunctionSet, MayBeAListOfPrimitivesWithWeights) {
  const FunctionSet set = function_set("+,*,clip=2.5");
  const std::vector<std::pair<Op, double>> listed = {{Op::kAdd, 1}, {Op::kMul, 1}, {Op::kClip, 2.5}};
  EXPECT_EQ(set.weights, listed);
  EXPECT_TRUE(set.linear_scaling);
  EXPECT_FALSE(function_set("clip,tanh").linear_scaling);
  for (const char* wrong : {"", "+,", "x", "+=0", "+=-1", "+=a", "+=1=2", "+,sin"}) {
    EXPECT_NE(message_of({.function_set = wrong}), "valid") << wrong;
  }
}

TEST(FunctionSet, PaperHasThePublishedPrimitivesAndWeights) {
  const FunctionSet set = function_set("paper");
  const std::vector<std::pair<Op, double>> published = {{Op::kAdd, 0.28},     {Op::kMul, 0.26},
                                                        {Op::kNeg, 0.08},     {Op::kTanh, 0.20},
                                                        {Op::kSigmoid, 0.10}, {Op::kClip, 0.08}};
  EXPECT_EQ(set.weights, published);
  EXPECT_FALSE(set.free_clip_bounds);
  EXPECT_FALSE(set.linear_scaling);
}

TEST(FunctionSet, HardwareKnowsEveryOperatorOrItIsListedHereWithTheReason) {
  const std::set<Op> absent = {
      Op::kSqrt,  // NaN on half of the line, and rsqrt with a product gives it where it is defined
      Op::kExp,   // overflows within four times the ranges seen; bounded uses of it are sigmoid and tanh
  };
  const FunctionSet set = function_set("hardware");
  for (const Primitive& p : primitives()) {
    if (p.arity == 0) continue;
    const bool drawn = std::any_of(set.weights.begin(), set.weights.end(), [&](const auto& entry) {
      return entry.first == p.op && entry.second > 0;
    });
    EXPECT_NE(drawn, absent.contains(p.op)) << p.name;
  }
}

}  // namespace
}  // namespace normgraft
