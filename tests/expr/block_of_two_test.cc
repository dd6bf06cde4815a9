// The evaluator of blocks for functions of two variables.
#include <cmath>

#include "expr/block_support.h"
#include "expr/random_program.h"
#include "normgraft/core/error.h"

namespace normgraft {
namespace {

class BlockOfTwo : public BlockTest {};

INSTANTIATE_TEST_SUITE_P(Targets, BlockOfTwo, ::testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const auto& target) { return std::string(hwy::TargetName(target.param)); });

struct TwoInputs {
  std::vector<float> x, r, g;
};

TwoInputs random_inputs(Random& random, size_t n) {
  TwoInputs in{std::vector<float>(n), std::vector<float>(n), std::vector<float>(n)};
  for (float& v : in.x) v = static_cast<float>(random.uniform(-4, 4));
  for (float& v : in.r) v = static_cast<float>(random.uniform(-4, 4));
  for (float& v : in.g) v = static_cast<float>(random.normal());
  return in;
}

TEST_P(BlockOfTwo, RoundsTheArithmeticPrimitivesCorrectly) {
  Random random({16});
  BlockEvaluator evaluator;
  for (int program = 0; program < 1000; ++program) {
    const Expression f =
        random_expression(random, 1 + static_cast<int>(random.below(5)), is_exact, Variables::kXAndR);
    const auto [x, r, g] = random_inputs(random, 1 + random.below(1200));
    std::vector<float> y(x.size());
    evaluator.values(f, x, r, y);
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(same(y[i], rounded_at_each_node(f, x[i], r[i])))
          << f.to_string() << " at " << x[i] << ", " << r[i];
    }
    for (const bool over_r : {false, true}) {
      std::vector<float> in_place = over_r ? r : x;
      evaluator.values(f, over_r ? x : in_place, over_r ? in_place : r, in_place);
      for (size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(same(in_place[i], y[i])) << f.to_string();
    }
  }
}

TEST_P(BlockOfTwo, GoesBackwardAsTheInterpreterSays) {
  Random random({17});
  BlockEvaluator evaluator;
  int compared[2] = {0, 0};
  for (int program = 0; program < 1000; ++program) {
    const Expression f = random_expression_of_two(random, 1 + static_cast<int>(random.below(6)));
    const auto [x, r, g] = random_inputs(random, 1 + random.below(600));
    const size_t n = x.size();
    std::vector<float> y(n), dx(n, 7), dr(n, 7);
    evaluator.values(f, x, r, y);
    evaluator.backward(f, x, r, g, dx, dr, {});
    for (size_t i = 0; i < n; ++i) {
      const bool well_conditioned = std::fabs(y[i] - f(x[i], r[i])) <= 1e-5 * (1e-3 + std::fabs(y[i]));
      if (!every_node_within(f, x[i], 1e15, r[i]) || !well_conditioned) continue;
      for (const bool by_r : {false, true}) {
        const auto at = [&](double move) {
          return by_r ? f.derivative_by_r(x[i], r[i] + move) : f.derivative(x[i] + move, r[i]);
        };
        const double expected = g[i] * at(0);
        // Where the slope changes at once, what is rounded to float may lie on the other side.
        if (!(std::fabs(at(1e-5) - at(-1e-5)) <= 1e-3 * (1 + std::fabs(at(0)))) || std::fabs(at(0)) > 1e4)
          continue;
        ++compared[by_r];
        const double rounding = 1e-6 * std::fabs(g[i]) * size_of_slope_terms(f, x[i], r[i], by_r);
        ASSERT_NEAR(by_r ? dr[i] : dx[i], expected, 5e-3 * (1 + std::fabs(expected)) + rounding)
            << f.to_string() << " at " << x[i] << ", " << r[i] << (by_r ? " by r" : " by x");
      }
    }
  }
  EXPECT_GE(compared[0], 100'000);
  EXPECT_GE(compared[1], 100'000);
}

TEST_P(BlockOfTwo, HasAJacobianThatAgreesWithBackward) {
  Random random({18});
  BlockEvaluator evaluator;
  for (int program = 0; program < 300; ++program) {
    const Expression f = random_expression_of_two(random, 1 + static_cast<int>(random.below(6)));
    const auto [x, r, g] = random_inputs(random, 1 + random.below(600));
    const size_t n = x.size();
    std::vector<float> y(n), slope(n), columns(n * f.constant_count()), dx(n), dr(n), only_dr(n);
    evaluator.jacobian(f, x, r, y, slope, columns);
    std::vector<double> dc(f.constant_count());
    evaluator.backward(f, x, r, g, dx, dr, dc);
    evaluator.backward(f, x, r, g, {}, only_dr, {});
    for (size_t i = 0; i < n; ++i) {
      ASSERT_TRUE(same(only_dr[i], dr[i])) << f.to_string();
      if (!std::isfinite(slope[i])) continue;
      const double rounding = 1e-6 * std::fabs(g[i]) * size_of_slope_terms(f, x[i], r[i], false);
      ASSERT_NEAR(dx[i], g[i] * slope[i], 1e-4 * (1 + std::fabs(g[i] * slope[i])) + rounding)
          << f.to_string();
    }
    for (size_t k = 0; k < dc.size(); ++k) {
      double sum = 0, size = 0;
      for (size_t i = 0; i < n; ++i) {
        sum += double{g[i]} * columns[k * n + i];
        size += std::fabs(double{g[i]} * columns[k * n + i]);
      }
      if (!std::isfinite(sum) || size > 1e30) continue;
      ASSERT_NEAR(dc[k], sum, 1e-5 * (1 + size)) << f.to_string();
    }
  }
}

TEST_P(BlockOfTwo, RefusesAFunctionOfRWithoutR) {
  const Expression f = Expression::parse("x*rsqrt(r)");
  const std::vector<float> x(20, 1);
  std::vector<float> y(20), dx(20);
  BlockEvaluator evaluator;
  EXPECT_THROW(evaluator.values(f, x, y), InputError);
  EXPECT_THROW(evaluator.jacobian(f, x, y, dx, {}), InputError);
  EXPECT_THROW(evaluator.backward(f, x, x, dx, {}), InputError);
  EXPECT_NO_THROW(evaluator.values(f, x, x, y));
  EXPECT_NO_THROW(evaluator.values(Expression::parse("tanh(x)"), x, y));
}

}  // namespace
}  // namespace normgraft
