#include <bit>
#include <cmath>
#include <limits>

#include "expr/block_support.h"
#include "expr/random_program.h"

namespace normgraft {
namespace {

class Block : public BlockTest {
 protected:
  static std::vector<float> values(const Expression& f, const std::vector<float>& x) {
    std::vector<float> y(x.size());
    BlockEvaluator().values(f, x, y);
    return y;
  }
};

INSTANTIATE_TEST_SUITE_P(Targets, Block, ::testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const auto& target) { return std::string(hwy::TargetName(target.param)); });

/// The position of a float in the order of all floats; 0 and -0 share one.
int64_t position(float value) {
  const auto bits = std::bit_cast<int32_t>(value);
  return bits < 0 ? int64_t{std::numeric_limits<int32_t>::min()} - bits : bits;
}

/// Bit patterns spread over all floats, with zeros, infinities, NaN and subnormals of either sign.
std::vector<float> spread_floats(uint32_t step) {
  std::vector<float> x = {0.0F,   -0.0F,   INFINITY,  -INFINITY, NAN, -NAN,
                          1e-45F, -1e-45F, 1.17e-38F, 3.4e38F,   1,   -1};
  for (uint64_t bits = 0; bits <= 0xffffffffU; bits += step)
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  return x;
}

TEST_P(Block, IsWithinTheStatedUlpOfTheScalarPrimitives) {
  struct Case {
    const char* text;
    int64_t ulp;
  };
  const std::vector<float> spread = spread_floats(9973);
  std::vector<float> usual;
  for (int i = -400'000; i <= 400'000; ++i) usual.push_back(static_cast<float>(i) * 3e-5F);
  for (const Case& c :
       {Case{"tanh(x)", 4}, Case{"sigmoid(x)", 4}, Case{"erf(x)", 4}, Case{"exp(x)", 2}, Case{"log(x)", 2},
        Case{"exp2(x)", 2}, Case{"log2(x)", 2}, Case{"rsqrt(x)", 2}, Case{"sqrt(x)", 0}}) {
    const Expression f = Expression::parse(c.text);
    for (const std::vector<float>& x : {spread, usual}) {
      const std::vector<float> y = values(f, x);
      for (size_t i = 0; i < x.size(); ++i) {
        const auto expected = static_cast<float>(f(x[i]));
        ASSERT_EQ(std::isnan(expected), std::isnan(y[i])) << c.text << " at " << x[i];
        if (std::isnan(expected)) continue;
        ASSERT_LE(std::abs(position(y[i]) - position(expected)), c.ulp) << c.text << " at " << x[i];
        ASSERT_TRUE(expected != 0 || std::signbit(y[i]) == std::signbit(expected))
            << c.text << " at " << x[i];
      }
    }
  }
}

TEST_P(Block, GivesPowersOfTwoAndTheirLogarithmsExactly) {
  std::vector<float> whole, powers;
  for (int k = -149; k <= 127; ++k) {
    whole.push_back(static_cast<float>(k));
    powers.push_back(std::ldexp(1.0F, k));
  }
  EXPECT_EQ(values(Expression::parse("exp2(x)"), whole), powers);
  EXPECT_EQ(values(Expression::parse("log2(x)"), powers), whole);
}

TEST_P(Block, StaysInTheRangeOfTheSaturatingPrimitives) {
  std::vector<float> x;
  for (int i = 0; i < 200'000; ++i) x.push_back(static_cast<float>(i) * 1e-3F - 100);
  for (const char* text : {"tanh(x)", "erf(x)", "sigmoid(x)"}) {
    const Interval range = Expression::parse(text).bound({-100, 100});
    for (const float y : values(Expression::parse(text), x))
      ASSERT_TRUE(range.contains(y)) << text << " " << y;
  }
}

TEST_P(Block, RoundsTheArithmeticPrimitivesCorrectly) {
  Random random({9});
  std::vector<float> x = spread_floats(40'000'003);
  for (int i = 0; i < 200; ++i) x.push_back(static_cast<float>(random.uniform(-20, 20)));
  for (int program = 0; program < 3000; ++program) {
    const Expression f = random_expression(random, 1 + static_cast<int>(random.below(5)), is_exact);
    const std::vector<float> y = values(f, x);
    for (size_t i = 0; i < x.size(); ++i) {
      const float expected = rounded_at_each_node(f, x[i]);
      ASSERT_TRUE(same(y[i], expected))
          << f.to_string() << " at " << x[i] << ": " << y[i] << ", not " << expected;
    }
  }
}

TEST_P(Block, EvaluatesEveryOperatorWithAConstantOnEitherSide) {
  const std::vector<float> x = spread_floats(4'000'037);
  for (const char* text :
       {"x+3", "3+x", "x-3", "3-x", "x*3", "3*x", "x/3", "3/x", "min(x, 3)", "min(3, x)", "max(x, 3)",
        "max(3, x)", "min(x, 0)", "max(-0, x)", "2+3", "abs(-2)", "min(2, 3)*x", "7", "x"}) {
    const Expression f = Expression::parse(text);
    const std::vector<float> y = values(f, x);
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(same(y[i], rounded_at_each_node(f, x[i]))) << text << " at " << x[i] << ": " << y[i];
    }
  }
}

TEST_P(Block, GivesResultsThatDoNotDependOnPositionOrLength) {
  Random random({10});
  std::vector<float> x(1100);
  for (float& v : x) v = static_cast<float>(random.normal() * 3);
  for (int program = 0; program < 100; ++program) {
    const Expression f = random_expression(random, 6);
    const std::vector<float> all = values(f, x);
    for (const size_t length : {0, 1, 2, 15, 16, 17, 31, 100, 511, 512, 513, 1000}) {
      const size_t begin = random.below(x.size() - length);
      std::vector<float> y(length + 2, 42);
      BlockEvaluator().values(f, std::span(x).subspan(begin, length), std::span(y).subspan(1, length));
      ASSERT_EQ(y.front(), 42) << "wrote before the array";
      ASSERT_EQ(y.back(), 42) << "wrote behind the array";
      for (size_t i = 0; i < length; ++i) ASSERT_TRUE(same(y[i + 1], all[begin + i])) << f.to_string();
    }
  }
}

TEST_P(Block, WorksInPlace) {
  Random random({11});
  std::vector<float> x(777);
  for (float& v : x) v = static_cast<float>(random.normal() * 3);
  BlockEvaluator evaluator;
  for (int program = 0; program < 200; ++program) {
    const Expression f = random_expression(random, 6);
    const std::vector<float> expected = values(f, x);
    std::vector<float> y = x;
    evaluator.values(f, y, y);
    for (size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(same(y[i], expected[i])) << f.to_string();
  }
}

TEST_P(Block, KeepsNothingFromOneProgramToTheNext) {
  Random random({12});
  std::vector<float> x(600);
  for (float& v : x) v = static_cast<float>(random.normal() * 3);
  BlockEvaluator reused;
  for (int program = 0; program < 300; ++program) {
    const Expression f = random_expression(random, 1 + static_cast<int>(random.below(8)));
    const size_t n = 1 + random.below(x.size());
    const std::span<const float> in(x.data(), n);
    std::vector<float> y(n), dx(n), dc(n * f.constant_count());
    std::vector<float> fresh_y(n), fresh_dx(n), fresh_dc(n * f.constant_count());
    reused.jacobian(f, in, y, dx, dc);
    BlockEvaluator().jacobian(f, in, fresh_y, fresh_dx, fresh_dc);
    for (size_t i = 0; i < n; ++i) ASSERT_TRUE(same(y[i], fresh_y[i]) && same(dx[i], fresh_dx[i]));
    for (size_t i = 0; i < dc.size(); ++i) ASSERT_TRUE(same(dc[i], fresh_dc[i]));
  }
}

/// df/dc_k by a central difference of the double interpreter; NaN where the one-sided ones disagree, at a
/// kink.
double constant_quotient(const Expression& f, size_t k, double x) {
  const std::vector<float> c = f.constants();
  const auto moved = [&](float to) {
    Expression g = f;
    std::vector<float> constants = c;
    constants[k] = to;
    g.set_constants(constants);
    return g(x);
  };
  const float above = c[k] + 0x1p-13F;
  const float below = c[k] - 0x1p-13F;
  const double right = (moved(above) - f(x)) / (double{above} - double{c[k]});
  const double left = (f(x) - moved(below)) / (double{c[k]} - double{below});
  const double both = (moved(above) - moved(below)) / (double{above} - double{below});
  return std::fabs(right - left) <= 4e-3 * (1 + std::fabs(both)) ? both : NAN;
}

/// Clips whose bounds are too close to be moved by a difference quotient are no use here.
bool has_narrow_clip(const Expression& f) {
  return std::any_of(f.program().begin(), f.program().end(),
                     [](const Instruction& i) { return i.op == Op::kClip && i.c[1] - i.c[0] < 1e-3F; });
}

TEST_P(Block, HasAJacobianThatMatchesDifferenceQuotients) {
  Random random({13});
  BlockEvaluator evaluator;
  int slopes = 0;
  int columns = 0;
  for (int program = 0; program < 1000; ++program) {
    const Expression f = random_expression(random, 1 + static_cast<int>(random.below(6)));
    if (has_narrow_clip(f)) continue;
    std::vector<float> x(37);
    for (float& v : x) v = static_cast<float>(random.uniform(-4, 4));
    const size_t n = x.size();
    std::vector<float> y(n), dx(n), dc(n * f.constant_count());
    evaluator.jacobian(f, x, y, dx, dc);
    const std::vector<float> expected_y = values(f, x);
    for (size_t i = 0; i < n; ++i) {
      ASSERT_TRUE(same(y[i], expected_y[i])) << f.to_string();
      const double at = x[i];
      const bool well_conditioned = std::fabs(y[i] - f(at)) <= 1e-5 * (1e-3 + std::fabs(f(at)));
      if (!every_node_within(f, at, 1e15) || !well_conditioned) continue;
      const double fine = (f(at + 1e-5) - f(at - 1e-5)) / 2e-5;
      const double coarse = (f(at + 1e-4) - f(at - 1e-4)) / 2e-4;
      if (std::fabs(fine) < 1e4 && std::fabs(fine - coarse) <= 1e-3 * (1 + std::fabs(fine))) {
        ++slopes;
        ASSERT_NEAR(dx[i], fine, 5e-3 * (1 + std::fabs(fine))) << f.to_string() << " at " << at;
      }
      for (size_t k = 0; k < f.constant_count(); ++k) {
        const double quotient = constant_quotient(f, k, at);
        if (!(std::fabs(quotient) < 1e4)) continue;
        ++columns;
        ASSERT_NEAR(dc[k * n + i], quotient, 5e-3 * (1 + std::fabs(quotient)))
            << f.to_string() << " by constant " << k << " at " << at;
      }
    }
  }
  EXPECT_GE(slopes, 15'000);
  EXPECT_GE(columns, 15'000);
}

TEST_P(Block, TakesAZeroFactorOfTheChainRuleAsZero) {
  for (const char* text : {"sqrt(clip(x, 0, 1))", "clip(exp(exp(x)), 0, 1)", "sqrt(clip(x, 0, 1))*0",
                           "min(sqrt(x-5), -1)", "tanh(exp(exp(x)))", "clip(1/(x-5), -1, 1)"}) {
    const Expression f = Expression::parse(text);
    const std::vector<float> x(3, text[0] == 's' ? -2.0F : 5.0F);
    std::vector<float> y(3), dx(3), ones(3, 1);
    BlockEvaluator().jacobian(f, x, y, dx, {});
    EXPECT_EQ(dx, std::vector<float>(3, 0)) << text;
    BlockEvaluator().backward(f, x, ones, dx, {});
    EXPECT_EQ(dx, std::vector<float>(3, 0)) << text;
    EXPECT_EQ(f.derivative(x[0]), 0) << text;
  }
}

TEST_P(Block, TakesTheSideOfTheReferenceAtAKink) {
  const std::vector<float> x = {-2, -1, -0.5, 0, 0.5, 2, 3};
  for (const char* text : {"clip(x, -1, 2)", "clip(x, -2, -2)", "min(x, 2)", "max(2, x)", "min(-1, x)",
                           "max(x, 0)", "min(x, 0.5*x)", "max(x, 0.5*x)", "abs(x)"}) {
    const Expression f = Expression::parse(text);
    std::vector<float> y(x.size()), dx(x.size()), dc(x.size() * f.constant_count());
    BlockEvaluator().jacobian(f, x, y, dx, dc);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(dx[i], f.derivative(x[i])) << text << " at " << x[i];
  }
  const Expression clip = Expression::parse("clip(x, -1, 2)");
  std::vector<float> y(x.size()), dc(2 * x.size());
  BlockEvaluator().jacobian(clip, x, y, {}, dc);
  EXPECT_EQ(dc, (std::vector<float>{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
}

TEST_P(Block, ComputesOnlyTheDerivativesAskedFor) {
  Random random({14});
  BlockEvaluator evaluator;
  for (int program = 0; program < 300; ++program) {
    const Expression f = random_expression(random, 5);
    std::vector<float> x(530);
    for (float& v : x) v = static_cast<float>(random.uniform(-4, 4));
    const size_t n = x.size();
    std::vector<float> y(n), dx(n), dc(n * f.constant_count());
    evaluator.jacobian(f, x, y, dx, dc);
    std::vector<float> only_y(n), only_dx(n), only_dc(dc.size());
    evaluator.jacobian(f, x, only_y, only_dx, {});
    evaluator.jacobian(f, x, only_y, {}, only_dc);
    for (size_t i = 0; i < n; ++i) ASSERT_TRUE(same(only_dx[i], dx[i])) << f.to_string();
    for (size_t i = 0; i < dc.size(); ++i) ASSERT_TRUE(same(only_dc[i], dc[i])) << f.to_string();
  }
}

TEST_P(Block, GoesBackwardAsTheJacobianSays) {
  Random random({15});
  BlockEvaluator evaluator;
  for (int program = 0; program < 500; ++program) {
    const Expression f = random_expression(random, 1 + static_cast<int>(random.below(6)));
    const size_t n = 1 + random.below(1200);
    std::vector<float> x(n), g(n);
    for (float& v : x) v = static_cast<float>(random.uniform(-4, 4));
    for (float& v : g) v = static_cast<float>(random.normal());
    std::vector<float> y(n), dx(n), slope(n), columns(n * f.constant_count());
    evaluator.jacobian(f, x, y, slope, columns);
    std::vector<double> dc(f.constant_count(), 0.5);
    evaluator.backward(f, x, g, dx, dc);
    for (size_t i = 0; i < n; ++i) {
      if (!std::isfinite(slope[i])) continue;
      // Products are formed in another order, sums over several x nodes may cancel.
      ASSERT_NEAR(dx[i], g[i] * slope[i], 1e-4 * (1 + std::fabs(g[i] * slope[i])))
          << f.to_string() << " at " << x[i];
    }
    for (size_t k = 0; k < dc.size(); ++k) {
      double sum = 0;
      double size = 0;
      for (size_t i = 0; i < n; ++i) {
        sum += double{g[i]} * columns[k * n + i];
        size += std::fabs(double{g[i]} * columns[k * n + i]);
      }
      if (!std::isfinite(sum) || size > 1e30) continue;
      ASSERT_NEAR(dc[k] - 0.5, sum, 1e-5 * (1 + size)) << f.to_string() << " by constant " << k;
    }
    std::vector<double> again(f.constant_count(), 0.5);
    evaluator.backward(f, x, g, {}, again);
    for (size_t k = 0; k < dc.size(); ++k) {
      ASSERT_EQ(std::bit_cast<uint64_t>(again[k]), std::bit_cast<uint64_t>(dc[k])) << f.to_string();
    }
    std::vector<float> in_place = g;
    evaluator.backward(f, x, in_place, in_place, {});
    for (size_t i = 0; i < n; ++i) ASSERT_TRUE(same(in_place[i], dx[i])) << f.to_string();
  }
}

}  // namespace
}  // namespace normgraft
