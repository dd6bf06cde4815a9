#include <gtest/gtest.h>

#include <set>

#include "normgraft/evolve/evolve.h"

namespace normgraft {
namespace {

std::string refusal_of(const EvolveOptions& options) {
  try {
    options.validate();
  } catch (const InputError& error) {
    return error.what();
  }
  return "valid";
}

TEST(EvolveOptions, AreValidByDefault) {
  EXPECT_EQ(refusal_of({}), "valid");
}

TEST(EvolveOptions, NameTheFieldItsValueAndItsRange) {
  EXPECT_EQ(refusal_of({.population = 7}), "evolve: population is 7, expected 8 to 100000");
  EXPECT_EQ(refusal_of({.generations = 0}), "evolve: generations is 0, expected 1 to 100000");
  EXPECT_EQ(refusal_of({.population = 20, .tournament = 21}), "evolve: tournament is 21, expected 1 to 20");
  EXPECT_EQ(refusal_of({.max_nodes = 201}), "evolve: max_nodes is 201, expected 1 to 200");
  EXPECT_EQ(refusal_of({.initial_depth = 0}), "evolve: initial_depth is 0, expected 1 to 10");
  EXPECT_EQ(refusal_of({.constant_iterations = -1}), "evolve: constant_iterations is -1, expected 0 to 1000");
  EXPECT_NE(refusal_of({.tail_penalty = std::nan("")}).find("tail_penalty is nan"), std::string::npos);
  EXPECT_EQ(refusal_of({.seeds = 0}), "evolve: seeds is 0, expected 1 to 1000");
  EXPECT_EQ(refusal_of({.threads = -1}), "evolve: threads is -1, expected 0 to 4096");
  EXPECT_EQ(refusal_of({.search_bins = 8}), "evolve: search_bins is 8, expected 16 to 65536");
  EXPECT_EQ(
      refusal_of({.function_set = "papers"}),
      "evolve: function_set is papers, expected hardware, paper, circuit, or primitives like +,*,clip=2");
}

TEST(EvolveOptions, NameTheStartThatCannotBeUsed) {
  EXPECT_EQ(refusal_of({.max_nodes = 4, .starts = {"x", "tanh(2*x)+1"}}),
            "evolve: start tanh(2*x)+1: 6 nodes, expected at most max_nodes = 4");
  EXPECT_EQ(refusal_of({.starts = {"x*rsqrt(r)"}}),
            "evolve: start x*rsqrt(r): it reads r, expected a function of x alone");
  EXPECT_EQ(refusal_of({.function_set = "+,r"}).find("evolve: function_set is +,r"), 0U);
  EXPECT_TRUE(refusal_of({.starts = {"tan(x)"}}).starts_with("evolve: start tan(x): "));
  EXPECT_EQ(refusal_of({.digits = 3, .fraction_bits = 8}),
            "evolve: digits is 3, fraction_bits is 8 and signed_digits is 0, expected one of them");
  EXPECT_EQ(refusal_of({.fraction_bits = 0, .signed_digits = 2}),
            "evolve: digits is 0, fraction_bits is 0 and signed_digits is 2, expected one of them");
  EXPECT_EQ(refusal_of({.function_set = "paper", .signed_digits = 1}),
            "evolve: function_set paper clips at 5, which has 2 signed digits, expected signed_digits of at "
            "least 2");
  EXPECT_EQ(refusal_of({.function_set = "paper", .signed_digits = 2}), "valid");
}

TEST(EvolveOptions, AreEachVisitedOnceWithAKeyAndADescription) {
  EvolveOptions options;
  std::set<std::string> keys;
  visit_options(options, [&](const OptionText& option, const auto&, auto...) {
    EXPECT_TRUE(keys.insert(std::string(option.key)).second) << option.key;
    EXPECT_FALSE(option.description.empty()) << option.key;
  });
  std::set<std::string> written;
  const Json json = to_json(options);
  for (const auto& [key, value] : json.items()) written.insert(key);
  EXPECT_EQ(keys, written);
  EXPECT_EQ(keys.size(), 24U);
}

/// Moves an option to another value that is valid.
struct Change {
  void operator()(const OptionText&, int& value, int low, int high) const {
    value = value == low ? high : low;
  }
  void operator()(const OptionText&, size_t& value, size_t low, size_t) const { value = low; }
  void operator()(const OptionText&, double& value, double, double high) const { value = high; }
  void operator()(const OptionText&, uint64_t& value) const { ++value; }
  void operator()(const OptionText&, bool& value) const { value = !value; }
  void operator()(const OptionText& option, std::string& value) const {
    value = option.key == "function_set" ? "paper" : "other.json";
  }
  void operator()(const OptionText&, std::vector<std::string>& value) const { value.push_back("x"); }
  void operator()(const OptionText&, Measure& value) const { value = Measure::kCount; }
};

TEST(EvolveOptions, ComeBackFromJsonWhateverTheyAre) {
  const std::set<std::string_view> other_grids = {"fraction_bits", "signed_digits"};  // beside digits
  EvolveOptions options;
  visit_options(options, [&](const OptionText& option, auto& value, auto... range) {
    if (!other_grids.contains(option.key)) Change()(option, value, range...);
    // Others may lie in ranges that depend on it.
    if (option.key == "population") options.population = 1000;
  });
  const Json json = to_json(options);
  const Json plain = to_json(EvolveOptions{});
  for (const auto& [key, value] : plain.items())
    EXPECT_EQ(json[key] == value, other_grids.contains(key)) << key;
  EXPECT_EQ(to_json(evolve_options_at(JsonPlace(json, "fronts.json"))).dump(), json.dump());
}

TEST(EvolveOptions, TakeTheGridOfConstantsAsOne) {
  EvolveOptions options{.fraction_bits = 7};
  for (const ConstantGrid& grid : {ConstantGrid{.signed_digits = 3}, ConstantGrid{.digits = 2},
                                   ConstantGrid{.fraction_bits = 0}, ConstantGrid{}}) {
    options.set_grid(grid);
    EXPECT_EQ(options.grid(), grid);
    EXPECT_EQ(evolve_options_at(JsonPlace(to_json(options), "fronts.json")).grid(), grid);
  }
}

TEST(FunctionSet, MayBeAListOfPrimitivesWithWeights) {
  const FunctionSet set = function_set("+,*,clip=2.5");
  const std::vector<std::pair<Op, double>> listed = {{Op::kAdd, 1}, {Op::kMul, 1}, {Op::kClip, 2.5}};
  EXPECT_EQ(set.weights, listed);
  EXPECT_TRUE(set.linear_scaling);
  EXPECT_FALSE(function_set("clip,tanh").linear_scaling);
  for (const char* wrong : {"", "+,", "x", "+=0", "+=-1", "+=a", "+=1=2", "+,sin"}) {
    EXPECT_NE(refusal_of({.function_set = wrong}), "valid") << wrong;
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

TEST(FunctionSet, CircuitHasWhatACircuitHasCheaply) {
  const auto ops = [](bool of_token) {
    std::set<Op> drawn;
    for (const auto& [op, weight] : function_set("circuit", of_token).weights) {
      EXPECT_GT(weight, 0);
      EXPECT_TRUE(drawn.insert(op).second) << primitive(op).name;
    }
    return drawn;
  };
  std::set<Op> expected = {Op::kAdd, Op::kSub, Op::kMul,  Op::kMin, Op::kMax,
                           Op::kNeg, Op::kAbs, Op::kClip, Op::kLog2};
  EXPECT_EQ(ops(false), expected);
  expected.insert(Op::kExp2);
  EXPECT_EQ(ops(true), expected);
  EXPECT_TRUE(function_set("circuit").free_clip_bounds);
  EXPECT_TRUE(function_set("circuit").linear_scaling);
}

TEST(FunctionSet, HardwareKnowsEveryOperatorOrItIsListedHereWithTheReason) {
  const std::set<Op> absent = {
      Op::kSqrt,  // NaN on half of the line, and rsqrt with a product gives it where it is defined
      Op::kLog,   // NaN on half of the line too; the closed form log has it with a guard
      Op::kExp,   // overflows within four times the ranges seen; bounded uses of it are sigmoid and tanh
      Op::kExp2,  // exp and a product
      Op::kLog2,  // log and a product
  };
  // r is held in a range, in which exp does not overflow, and LayerNorm is x exp(-r).
  const auto& of_token = function_set("hardware", true).weights;
  EXPECT_TRUE(
      std::any_of(of_token.begin(), of_token.end(), [](const auto& w) { return w.first == Op::kExp; }));
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
