#include "regression.h"

#include <gtest/gtest.h>

#include "token_rows.h"

namespace normgraft {
namespace {

struct Rows {
  Tensor x, y, weight;
};

/// y = x slopes + 0.5 + noise, of rows that lie off 0 and weigh differently.
Rows rows(int64_t count, double noise) {
  const Tensor slopes = at::arange(12, at::kFloat).reshape({6, 2}) / 6 - 0.7;
  Rows r{at::randn({count, 6}) + 1.5, {}, at::rand({count}) + 0.1};
  r.y = r.x.matmul(slopes) + 0.5 + noise * at::randn({count, 2});
  return r;
}

/// The ridge regression by one direct solve of its normal equations.
Line solved(const Rows& r, double damping) {
  const Tensor w = (r.weight / r.weight.sum()).to(at::kDouble).unsqueeze(1);
  const Tensor x = r.x.to(at::kDouble), y = r.y.to(at::kDouble);
  const Tensor x_mean = (w * x).sum(0), y_mean = (w * y).sum(0);
  const Tensor from_mean = x - x_mean;
  const Tensor products = from_mean.t().matmul(w * from_mean);
  const Tensor damped = products + damping * products.diagonal().mean() * at::eye(6, at::kDouble);
  const Tensor slopes = at::linalg_solve(damped, from_mean.t().matmul(w * (y - y_mean)));
  return {slopes.t().to(at::kFloat), (y_mean - x_mean.matmul(slopes)).to(at::kFloat)};
}

void expect_same(const Line& line, const Line& expected) {
  EXPECT_TRUE(at::allclose(line.slopes, expected.slopes, 1e-3, 1e-4)) << line.slopes << expected.slopes;
  EXPECT_TRUE(at::allclose(line.intercept, expected.intercept, 1e-3, 1e-4)) << line.intercept;
}

double error_of(const Line& line, const Rows& r) {
  const Tensor error = r.x.matmul(line.slopes.t()) + line.intercept - r.y;
  return error.square().sum(1).mul(r.weight).sum().item<double>();
}

TEST(Regression, IsTheDirectSolutionOfTheNormalEquations) {
  at::manual_seed(1);
  const Rows fit = rows(5000, 0.3);  // more than are worked on at a time
  const Regression regression({fit.x, fit.weight});
  for (const double damping : {0.003, 0.1, 10.0}) {
    expect_same(regression.with_damping(fit.y, damping), solved(fit, damping));
  }
}

TEST(Regression, DampsTheInterceptByNothing) {
  at::manual_seed(2);
  const Rows fit = rows(300, 0.1);
  const Line line = Regression({fit.x, fit.weight}).with_damping(fit.y, 1e9);
  const Tensor mean = fit.y.mul(fit.weight.unsqueeze(1)).sum(0) / fit.weight.sum();
  EXPECT_LT(line.slopes.abs().max().item<double>(), 1e-6);
  EXPECT_TRUE(at::allclose(line.intercept, mean, 1e-4, 1e-5));
}

TEST(Regression, TakesOfItsDampingsTheOneThatErrsLeastOnOtherRows) {
  for (const double noise : {0.01, 1.0, 5.0}) {
    at::manual_seed(3);
    const Rows fit = rows(25, noise), choose = rows(200, noise);
    const Line chosen = Regression({fit.x, fit.weight}).chosen_by(fit.y, {choose.x, choose.weight}, choose.y);
    double least = 1e30;
    Line best;
    for (const double damping : {0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0}) {
      const Line tried = solved(fit, damping);
      if (error_of(tried, choose) >= least) continue;
      least = error_of(tried, choose);
      best = tried;
    }
    expect_same(chosen, best);
  }
}

TEST(Regression, DampsHeavilyWhereTargetsAreNoiseAndLittleWhereTheyAreLinear) {
  at::manual_seed(4);
  Rows fit = rows(20, 0), choose = rows(300, 0);
  const Regression regression({fit.x, fit.weight});
  const auto chosen = [&] { return regression.chosen_by(fit.y, {choose.x, choose.weight}, choose.y); };
  expect_same(chosen(), solved(fit, 0.003));
  fit.y = at::randn_like(fit.y);
  choose.y = at::randn_like(choose.y);
  EXPECT_LT(chosen().slopes.norm().item<double>(), 0.2 * solved(fit, 0.1).slopes.norm().item<double>());
}

TEST(Regression, CountsRowsToChooseByAsTheyWeigh) {
  at::manual_seed(5);
  const Rows fit = rows(20, 0);
  Rows choose = rows(200, 0);
  const Regression regression({fit.x, fit.weight});
  choose.y.slice(0, 0, 100) = solved(fit, 100).intercept;  // rows that a strong damping serves
  const auto chosen = [&](double first, double second) {
    choose.weight = at::cat({at::full({100}, first), at::full({100}, second)});
    return regression.chosen_by(fit.y, {choose.x, choose.weight}, choose.y).slopes.norm().item<double>();
  };
  EXPECT_NEAR(chosen(0, 1), solved(fit, 0.003).slopes.norm().item<double>(), 1e-3);
  EXPECT_NEAR(chosen(1, 0), solved(fit, 100).slopes.norm().item<double>(), 1e-3);
}

Tensor by_token(const Tensor& weights, int64_t pictures) {
  return weights.reshape({pictures, -1});
}

TEST(TokenRows, WeighPrefixAndPatchesByTheirSharesOfTheCosts) {
  const TokenRows rows(4, 11, 2, 0);
  const Tensor weight = by_token(rows.weights({.prefix = 3, .patches = 1}, 4), 4);
  ASSERT_EQ(weight.size(1), 11);
  for (int64_t picture = 0; picture < 4; ++picture) {
    EXPECT_NEAR(weight[picture].slice(0, 0, 2).sum().item<double>(), 0.75, 1e-6);
    EXPECT_NEAR(weight[picture].slice(0, 2).sum().item<double>(), 0.25, 1e-6);
    EXPECT_EQ(weight[picture][0].item<float>(), weight[picture][1].item<float>());
    EXPECT_EQ(weight[picture][2].item<float>(), weight[picture][10].item<float>());
  }
}

TEST(TokenRows, WeighNoKindOfTokenLessThanAFiftieth) {
  const TokenRows rows(3, 11, 1, 0);
  const Tensor no_prefix = by_token(rows.weights({.prefix = 0, .patches = 5}, 3), 3);
  EXPECT_NEAR(no_prefix[1][0].item<double>(), 0.02, 1e-6);
  EXPECT_NEAR(no_prefix[1].slice(0, 1).sum().item<double>(), 1, 1e-6);
  const Tensor no_patches = by_token(rows.weights({.prefix = 1e-3, .patches = 0}, 3), 3);
  EXPECT_NEAR(no_patches[1][0].item<double>(), 1, 1e-6);
  EXPECT_NEAR(no_patches[1].slice(0, 1).sum().item<double>(), 0.02, 1e-6);
}

TEST(TokenRows, WeighAllTokensWhereNothingCosts) {
  const Tensor weight = TokenRows(3, 5, 1, 0).weights({.prefix = 0, .patches = 0}, 3);
  EXPECT_TRUE(at::isfinite(weight).all().item<bool>());
  EXPECT_GT(weight.min().item<double>(), 0);
}

TEST(TokenRows, WeighRelativeErrorsByTheSquaredSpread) {
  const TokenRows rows(2, 4, 1, 0);
  const Tensor spread = at::rand({2, 4}) + 0.5;
  const Tensor plain = rows.weights({.prefix = 1, .patches = 1}, 2);
  const Tensor relative = rows.weights({.prefix = 1, .patches = 1}, 2, spread);
  EXPECT_TRUE(at::allclose(relative * spread.flatten().square(), plain, 1e-5));
}

TEST(TokenRows, ThinOutPatchesAlikeInAllPicturesAndNeverThePrefix) {
  constexpr int64_t kPictures = 4096, kTokens = 41;  // 40 patches: five times as many rows as are needed
  const Tensor numbers =
      at::arange(kTokens, at::kFloat).reshape({1, kTokens, 1}).expand({kPictures, kTokens, 1});
  for (const size_t site : {size_t{0}, size_t{1}, size_t{7}}) {
    const TokenRows rows(kPictures, kTokens, 1, site);
    const Tensor kept = rows.rows(numbers).reshape({kPictures, -1});
    ASSERT_EQ(kept.size(1), 9) << site;
    EXPECT_EQ(kept[0][0].item<float>(), 0);
    EXPECT_EQ(kept[0][1].item<float>(), 1 + static_cast<float>(site % 5));
    EXPECT_TRUE(at::equal(kept[0], kept[kPictures - 1]));
    const Tensor weight = by_token(rows.weights({.prefix = 1, .patches = 1}, kPictures), kPictures);
    EXPECT_NEAR(weight[5].slice(0, 1).sum().item<double>(), 0.5, 1e-6);
  }
}

TEST(TokenRows, ServeNetworksWithoutPrefixAndWithoutPatches) {
  EXPECT_EQ(TokenRows(2, 5, 0, 3).rows(at::zeros({2, 5, 1})).size(0), 10);
  EXPECT_EQ(TokenRows(2, 1, 1, 3).rows(at::zeros({2, 1, 1})).size(0), 2);
  EXPECT_NEAR(TokenRows(2, 1, 1, 3).weights({.prefix = 1, .patches = 1}, 2).sum().item<double>(), 1, 1e-6);
}

}  // namespace
}  // namespace normgraft
