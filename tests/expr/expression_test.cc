#include "normgraft/expr/expression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "expr/random_program.h"
#include "normgraft/core/error.h"

namespace normgraft {
namespace {

TEST(Expression, IsTheIdentityByDefault) {
  EXPECT_EQ(Expression()(0.37), 0.37);
  EXPECT_EQ(Expression().size(), 1U);
  EXPECT_EQ(Expression().depth(), 1U);
  EXPECT_EQ(Expression(), Expression::parse("x"));
}

TEST(Expression, RefusesProgramsThatAreNotWellFormed) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto build = [](std::vector<Instruction> program) { Expression e(std::move(program)); };
  EXPECT_THROW(build({}), InputError);
  EXPECT_THROW(build({{Op::kAdd}}), InputError);
  EXPECT_THROW(build({{Op::kX}, {Op::kAdd}}), InputError);
  EXPECT_THROW(build({{Op::kX}, {Op::kX}}), InputError);
  EXPECT_THROW(build({{Op::kTanh}, {Op::kX}}), InputError);
  EXPECT_THROW(build({{Op::kX}, {Op::kClip, {1, -1}}}), InputError);
  EXPECT_THROW(build({{Op::kX}, {Op::kClip, {-infinity, 1}}}), InputError);
  EXPECT_THROW(build({{Op::kConstant, {infinity}}}), InputError);
  EXPECT_THROW(build({{Op::kConstant, {NAN}}}), InputError);
  EXPECT_NO_THROW(build({{Op::kX}, {Op::kX}, {Op::kAdd}}));
}

TEST(Expression, CountsNodesAndDepth) {
  const Expression e = Expression::parse("0.48*clip(2*x+0.17, -5, 5)");
  EXPECT_EQ(e.size(), 8U);
  EXPECT_EQ(e.depth(), 5U);
  EXPECT_EQ(Expression::parse("x*rsqrt(r)").size(), 4U);
  EXPECT_EQ(Expression::parse("x*rsqrt(r)").depth(), 3U);
}

TEST(Expression, EvaluatesLikeTheFormulaItStandsFor) {
  const Expression e = Expression::parse("0.5*tanh(1.25*x-0.5)/(1+abs(x))");
  for (double x = -5; x <= 5; x += 0.25) {
    EXPECT_EQ(e(x), 0.5 * std::tanh(1.25 * x - 0.5) / (1 + std::fabs(x)));
  }
}

TEST(Expression, EvaluatesLongProgramsToo) {
  std::string text = "x";
  for (int i = 0; i < 1000; ++i) text += "+x";
  const Expression e = Expression::parse(text);
  EXPECT_EQ(e(0.5), 500.5);
  EXPECT_EQ(e.derivative(0.5), 1001);
  EXPECT_EQ(e.depth(), 1001U);
  EXPECT_TRUE(e.bound({1, 2}).contains(1500));
}

TEST(Expression, ListsAndReplacesItsConstantsInProgramOrder) {
  Expression e = Expression::parse("0.5*clip(2*x+0.25, -5, 4)");
  EXPECT_EQ(e.constants(), (std::vector<float>{0.5F, 2, 0.25F, -5, 4}));
  EXPECT_EQ(e.constant_count(), 5U);
  e.set_constants(std::vector<float>{1, 2, 3, 4, 5});
  EXPECT_EQ(e.to_string(), "1*clip(2*x+3, 4, 5)");
}

TEST(Expression, RefusesConstantsThatDoNotFitAndStaysAsItWas) {
  Expression e = Expression::parse("clip(x, -1, 1)+2");
  const Expression before = e;
  EXPECT_THROW(e.set_constants(std::vector<float>{1, 2}), InputError);
  EXPECT_THROW(e.set_constants(std::vector<float>{2, 1, 0}), InputError);
  EXPECT_THROW(e.set_constants(std::vector<float>{-1, 1, NAN}), InputError);
  EXPECT_EQ(e, before);
}

TEST(Expression, HashesItsStructureAndItsConstants) {
  const auto hash = [](const char* text, bool with_constants) {
    return Expression::parse(text).hash(with_constants);
  };
  EXPECT_EQ(hash("tanh(2*x)", true), hash("tanh( 2 * x )", true));
  EXPECT_NE(hash("tanh(2*x)", true), hash("tanh(3*x)", true));
  EXPECT_EQ(hash("tanh(2*x)", false), hash("tanh(3*x)", false));
  EXPECT_NE(hash("tanh(2*x)", false), hash("erf(2*x)", false));
  EXPECT_NE(hash("clip(x, -1, 1)", true), hash("clip(x, -1, 2)", true));
  EXPECT_EQ(hash("x+0", true), hash("x+-0", true));
  EXPECT_NE(hash("tanh(x)", false), hash("tanh(r)", false));

  Random random({1});
  std::set<uint64_t> hashes;
  std::set<std::string> texts;
  for (int i = 0; i < 5000; ++i) {
    const Expression e = random_expression(random, 5);
    hashes.insert(e.hash());
    texts.insert(e.to_string());
  }
  EXPECT_GE(hashes.size() + 20, texts.size()) << "more collisions than 0 and -0 explain";
}

TEST(Expression, FindsTheStartOfASubtree) {
  const Expression e = Expression::parse("x*2+tanh(x-3)");  // x 2 * x 3 - tanh +
  EXPECT_EQ(subtree_start(e.program(), 0), 0U);
  EXPECT_EQ(subtree_start(e.program(), 2), 0U);
  EXPECT_EQ(subtree_start(e.program(), 5), 3U);
  EXPECT_EQ(subtree_start(e.program(), 6), 3U);
  EXPECT_EQ(subtree_start(e.program(), 7), 0U);
}

TEST(Expression, HasDerivativesThatMatchDifferenceQuotients) {
  Random random({2});
  int compared = 0;
  for (int i = 0; i < 5000; ++i) {
    const Expression e = random_expression(random, 6);
    const double x = random.uniform(-4, 4);
    const auto central = [&](double h) { return (e(x + h) - e(x - h)) / (2 * h); };
    const double fine = central(1e-5);
    const double coarse = central(4e-5);
    // Where two step widths disagree there is a kink or a pole nearby.
    if (!every_node_within(e, x, 1e100) || !std::isfinite(fine) ||
        !(std::fabs(fine - coarse) <= 1e-5 * (1 + std::fabs(fine))))
      continue;
    ++compared;
    ASSERT_NEAR(e.derivative(x), fine, 1e-4 * (1 + std::fabs(fine))) << e.to_string() << " at " << x;
  }
  EXPECT_GE(compared, 3000);
}

TEST(Expression, HasBoundsThatContainItsValues) {
  Random random({3});
  int finite = 0;
  for (int i = 0; i < 5000; ++i) {
    const Expression e = random_expression(random, 6);
    const double ends[2] = {random.uniform(-20, 20), random.uniform(-20, 20)};
    const Interval in{std::min(ends[0], ends[1]), std::max(ends[0], ends[1])};
    const Interval out = e.bound(in);
    finite += out.finite();
    for (int sample = 0; sample < 20; ++sample) {
      const double x = random.uniform(in.low, in.high);
      const double value = e(x);
      ASSERT_TRUE(std::isnan(value) ? out.is_entire() : out.contains(value))
          << e.to_string() << " at " << x << " is " << value << ", not in [" << out.low << ", " << out.high
          << "]";
    }
  }
  EXPECT_GE(finite, 2000);
}

TEST(Expression, OfTwoVariablesEvaluatesLikeTheFormulaItStandsFor) {
  const Expression e = Expression::parse("x/sqrt(r+0.5)-r*x");
  for (double x = -3; x <= 3; x += 0.5) {
    for (double r = 0; r <= 4; r += 0.5) EXPECT_EQ(e(x, r), x / std::sqrt(r + 0.5) - r * x);
  }
}

TEST(Expression, OfTwoVariablesHasDerivativesByBothThatMatchDifferenceQuotients) {
  Random random({4});
  int compared[2] = {0, 0};
  for (int i = 0; i < 5000; ++i) {
    const Expression e = random_expression_of_two(random, 6);
    const double x = random.uniform(-4, 4), r = random.uniform(-4, 4);
    for (const bool by_r : {false, true}) {
      const auto central = [&](double h) {
        return by_r ? (e(x, r + h) - e(x, r - h)) / (2 * h) : (e(x + h, r) - e(x - h, r)) / (2 * h);
      };
      const double fine = central(1e-5), coarse = central(4e-5);
      if (!every_node_within(e, x, 1e100, r) || !std::isfinite(fine) ||
          !(std::fabs(fine - coarse) <= 1e-5 * (1 + std::fabs(fine))))
        continue;
      ++compared[by_r];
      const double slope = by_r ? e.derivative_by_r(x, r) : e.derivative(x, r);
      ASSERT_NEAR(slope, fine, 1e-4 * (1 + std::fabs(fine))) << e.to_string() << " at " << x << ", " << r;
    }
  }
  EXPECT_GE(compared[0], 3000);
  EXPECT_GE(compared[1], 3000);
}

TEST(Expression, OfTwoVariablesHasBoundsThatContainItsValues) {
  Random random({5});
  int finite = 0;
  const auto random_interval = [&] {
    const double ends[2] = {random.uniform(-20, 20), random.uniform(-20, 20)};
    return Interval{std::min(ends[0], ends[1]), std::max(ends[0], ends[1])};
  };
  for (int i = 0; i < 5000; ++i) {
    const Expression e = random_expression_of_two(random, 6);
    const Interval in_x = random_interval(), in_r = random_interval();
    const Interval out = e.bound(in_x, in_r);
    finite += out.finite();
    for (int sample = 0; sample < 20; ++sample) {
      const double value = e(random.uniform(in_x.low, in_x.high), random.uniform(in_r.low, in_r.high));
      ASSERT_TRUE(std::isnan(value) ? out.is_entire() : out.contains(value)) << e.to_string();
    }
  }
  EXPECT_GE(finite, 2000);
}

TEST(Expression, IsNotBoundedByWhatIsUnknownOfR) {
  EXPECT_TRUE(Expression::parse("x+r").bound({0, 1}).is_entire());
  EXPECT_TRUE(Expression::parse("clip(r, 0, 1)").bound({0, 1}).is_entire()) << "r may be NaN";
  EXPECT_TRUE(Expression::parse("2*x").bound({0, 1}).finite());
}

TEST(Expression, KnowsWhichVariablesItReads) {
  const auto reads = [](const char* text) {
    const Expression e = Expression::parse(text);
    return std::pair(e.reads(Op::kX), e.reads(Op::kR));
  };
  EXPECT_EQ(reads("2+3"), std::pair(false, false));
  EXPECT_EQ(reads("tanh(x)"), std::pair(true, false));
  EXPECT_EQ(reads("rsqrt(r)"), std::pair(false, true));
  EXPECT_EQ(reads("x*rsqrt(r)"), std::pair(true, true));
}

TEST(Expression, TakesAnotherInPlaceOfALeaf) {
  const auto parse = [](const char* text) { return Expression::parse(text); };
  EXPECT_EQ(substitute(parse("1/(x+exp(-x))"), Op::kX, parse("r")), parse("1/(r+exp(-r))"));
  EXPECT_EQ(substitute(parse("x*r"), Op::kR, parse("rsqrt(x+2)")), parse("x*rsqrt(x+2)"));
  EXPECT_EQ(substitute(parse("x*x"), Op::kX, parse("x+1")), parse("(x+1)*(x+1)"));
  EXPECT_EQ(substitute(parse("tanh(x)"), Op::kR, parse("7")), parse("tanh(x)"));
}

TEST(FactorOfR, IsWhatMultipliesXInAnyOrder) {
  const std::pair<const char*, const char*> cases[] = {{"x*exp(-r)", "exp(-x)"},
                                                       {"exp(-r)*x", "exp(-x)"},
                                                       {"2*x*exp(-r)", "2*exp(-x)"},
                                                       {"2*(exp(-r)*x)", "2*exp(-x)"},
                                                       {"x*2", "2"},
                                                       {"2*x", "2"},
                                                       {"2*x/(r+1)", "2/(x+1)"},
                                                       {"-(x*r)", "-x"},
                                                       {"3*(x*r)*sigmoid(r)", "3*x*sigmoid(x)"},
                                                       {"clip(r, 0, 1)*x*4", "clip(x, 0, 1)*4"}};
  for (const auto& [f, g] : cases) EXPECT_EQ(factor_of_r(Expression::parse(f)), Expression::parse(g)) << f;
}

TEST(FactorOfR, HasTheConstantsOfTheProductInTheirOrder) {
  for (const char* text : {"2*(x*(3*r+4))", "2*r*x*5", "2*x/(r+3)", "clip(r, -1, 7)*(x*3)"}) {
    const Expression f = Expression::parse(text);
    ASSERT_TRUE(factor_of_r(f)) << text;
    EXPECT_EQ(factor_of_r(f)->constants(), f.constants()) << text;
    for (const double r : {-0.7, 0.4}) EXPECT_NEAR(f(1.7, r), 1.7 * (*factor_of_r(f))(r), 1e-12) << text;
  }
}

TEST(FactorOfR, IsNoneWhereXIsNoFactorOrReadTwice) {
  for (const char* text :
       {"x", "r", "-x", "x*x", "x*tanh(x)", "(x+1)*r", "x*r+1", "r/x", "x/(r+1)", "tanh(x*r)"})
    EXPECT_FALSE(factor_of_r(Expression::parse(text))) << text;
}

TEST(Expression, KnowsThatAProductOfEqualFactorsIsNotNegative) {
  const Interval out = Expression::parse("x*rsqrt(x*x+1)").bound({-8, 8});
  EXPECT_TRUE(out.finite());
  EXPECT_GE(out.low, -8);
  EXPECT_LE(out.high, 8);
}

TEST(Expression, KeepsThatAnOperandMayBeNan) {
  EXPECT_TRUE(Expression::parse("tanh(sqrt(x))").bound({-1, 1}).is_entire());
  EXPECT_TRUE(Expression::parse("clip(1/x, -1, 1)").bound({-1, 1}).is_entire());
}

}  // namespace
}  // namespace normgraft
