#include "normgraft/mapping/least_squares.h"

#include <gtest/gtest.h>

#include <cmath>

#include "synthetic.h"

namespace normgraft {
namespace {

/// Noiseless samples of f with uneven weights.
Samples samples_of(const std::function<double(double)>& f, size_t n = 512, double low = -6, double high = 6) {
  Samples s;
  Moments all;
  for (size_t i = 0; i < n; ++i) {
    const double x = low + (high - low) * static_cast<double>(i) / static_cast<double>(n - 1);
    const double w = std::exp(-x * x / 8);
    s.x.push_back(static_cast<float>(x));
    s.y.push_back(static_cast<float>(f(x)));
    s.weight.push_back(static_cast<float>(w));
    all.merge({w, x, f(x), 0, 0, 0, w * w});
  }
  for (float& w : s.weight) w /= static_cast<float>(all.weight);
  s.variance = all.syy / all.weight;
  s.total_weight = all.weight;
  return s;
}

Samples layer_norm_samples() {
  const SiteMapping site = synthetic::capture(synthetic::layer_norm(8, 60, 96, 41), false);
  return make_samples(site, Measure::kCount, Part::kFit, 256);
}

TEST(BlockError, AgreesWithTheReferenceInterpreter) {
  const Samples samples = layer_norm_samples();
  FitWorkspace workspace;
  for (const char* text : {"0.3*x", "tanh(0.5*x)", "clip(x, -1, 2)", "x*sigmoid(x) - 0.1", "2"}) {
    const Expression f = Expression::parse(text);
    EXPECT_NEAR(block_error(f, samples, workspace), evaluate_fit(f, samples).error, 1e-6 * samples.variance);
  }
  EXPECT_FALSE(std::isfinite(block_error(Expression::parse("sqrt(x)"), samples, workspace)));
}

TEST(FitConstants, OfALineReachesTheClosedFormInOneStep) {
  const Samples samples = layer_norm_samples();
  Moments m;
  for (size_t i = 0; i < samples.size(); ++i)
    m.merge({samples.weight[i], samples.x[i], samples.y[i], 0, 0, 0, 0});
  FitWorkspace workspace;
  Expression f = Expression::parse("5*x - 3");
  const double error = fit_constants(f, samples, 20, workspace);
  EXPECT_NEAR(f(1) - f(0), m.sxy / m.sxx, 1e-5);
  EXPECT_NEAR(error, m.syy - m.sxy * m.sxy / m.sxx + samples.residual, 1e-6 * samples.variance);
}

TEST(FitConstants, LeavesFixedConstantsAndFitsTheOthersAsBestTheyCan) {
  const Samples samples = layer_norm_samples();
  FitWorkspace workspace;
  Expression f = Expression::parse("0.1*clip(2*x, -5, 5)");
  fit_constants(f, samples, 100, workspace, {false, false, true, true});
  const std::vector<float> fitted = f.constants();
  EXPECT_EQ(fitted[2], -5.0F);
  EXPECT_EQ(fitted[3], 5.0F);
  const double best = evaluate_fit(f, samples).error;
  for (const float factor : {0.99F, 1.01F}) {
    Expression moved = f;
    moved.set_constants(std::vector<float>{fitted[0] * factor, fitted[1], -5, 5});
    EXPECT_GT(evaluate_fit(moved, samples).error, best);
    moved.set_constants(std::vector<float>{fitted[0], fitted[1] * factor, -5, 5});
    EXPECT_GT(evaluate_fit(moved, samples).error, best);
  }
}

TEST(FitConstants, CountsEveryEvaluationOfValuesAndOfDerivatives) {
  const Samples samples = layer_norm_samples();
  FitWorkspace workspace;
  Expression f = Expression::parse("5*x - 3");
  block_error(f, samples, workspace);
  EXPECT_EQ(workspace.evaluations, 1);
  fit_constants(f, samples, 1, workspace);  // the values, the Jacobian, and a step that a line takes at once
  EXPECT_EQ(workspace.evaluations, 4);
}

TEST(FitConstants, RecoversTheConstantsOfNoiselessData) {
  FitWorkspace workspace;
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"2.5*tanh(0.25*x + 0.5) - 0.75", "1*tanh(0.5*x + 0.1) + 0.1"},
      {"clip(0.7*x + 0.2, -1.5, 2.25)", "clip(1*x + 0.1, -1, 1)"},
      {"1.5*erf(0.4*x - 0.3) + 0.1*x", "1*erf(1*x + 0.1) + 0.5*x"},
      {"x/(0.8 + 0.3*abs(x))", "x/(1 + 1*abs(x))"},
      {"3*x*rsqrt(square(x) + 2.5)", "1*x*rsqrt(square(x) + 1)"},
  };
  for (const auto& [truth, start] : cases) {
    const Expression exact = Expression::parse(truth);
    const Samples samples = samples_of([&](double x) { return exact(x); });
    Expression f = Expression::parse(start);
    const double error = fit_constants(f, samples, 100, workspace);
    EXPECT_LT(error, 1e-9 * samples.variance) << f.to_string();
    const std::vector<float> expected = exact.constants();
    const std::vector<float> reached = f.constants();
    ASSERT_EQ(reached.size(), expected.size());
    for (size_t k = 0; k < reached.size(); ++k) {
      EXPECT_NEAR(std::abs(reached[k]), std::abs(expected[k]), 1e-3) << f.to_string();
    }
  }
}

TEST(FitConstants, ReturnsTheErrorOfWhatItLeavesBehindAndNeverWorsens) {
  const Samples samples = layer_norm_samples();
  FitWorkspace workspace;
  Random random{42};
  int finite = 0;
  for (int trial = 0; trial < 200; ++trial) {
    Expression f = Expression::parse(trial % 2 ? "clip(1*x + 1, -1, 1)*tanh(1*x) + 1*sigmoid(1*x)"
                                               : "1/(1 + 1*exp(1*x)) - 1*sqrt(1*x + 40)");
    std::vector<float> constants = f.constants();
    for (float& c : constants) c = static_cast<float>(3 * random.normal());
    if (trial % 2) constants[2] = constants[3] - 1;
    f.set_constants(constants);
    const double before = block_error(f, samples, workspace);
    const double after = fit_constants(f, samples, 1 + trial % 10, workspace);
    EXPECT_EQ(std::isfinite(after), std::isfinite(before));
    if (!std::isfinite(before)) continue;
    EXPECT_LE(after, before);
    EXPECT_EQ(after, block_error(f, samples, workspace));
    ++finite;
  }
  EXPECT_GT(finite, 100);
}

TEST(FitConstants, KeepsTheBoundsOfEveryClipInOrder) {
  const Samples samples = samples_of([](double x) { return -x; });
  FitWorkspace workspace;
  for (float width : {0.0F, 0.01F, 1.0F}) {
    Expression f = Expression::parse("clip(1*x, 0, 1) + clip(1*x + 1, -1, 1)");
    std::vector<float> constants = f.constants();
    constants[2] = width;
    f.set_constants(constants);
    fit_constants(f, samples, 50, workspace);
    constants = f.constants();
    EXPECT_LE(constants[1], constants[2]);
    EXPECT_LE(constants[5], constants[6]);
  }
}

TEST(FitConstants, LeavesAnExpressionAloneThatHasNoConstantsOrIsNotFinite) {
  const Samples samples = layer_norm_samples();
  FitWorkspace workspace;
  Expression f = Expression::parse("tanh(x)");
  EXPECT_EQ(fit_constants(f, samples, 10, workspace), block_error(f, samples, workspace));
  EXPECT_EQ(f, Expression::parse("tanh(x)"));
  for (const char* text : {"sqrt(2*x)", "exp(exp(9*x))", "1/(x - x)"}) {
    Expression bad = Expression::parse(text);
    EXPECT_FALSE(std::isfinite(fit_constants(bad, samples, 10, workspace)));
    EXPECT_EQ(bad, Expression::parse(text));
  }
}

TEST(FitConstants, CopesWithConstantsThatDoNotMatterOrMatterTwice) {
  const Samples samples = layer_norm_samples();
  FitWorkspace workspace;
  Expression line = Expression::parse("1*x + 1");
  const double best = fit_constants(line, samples, 20, workspace);
  Expression f = Expression::parse("1*1*x + 1 + 1 + 0*min(1, 5)");
  EXPECT_NEAR(fit_constants(f, samples, 50, workspace), best, 1e-6 * samples.variance);
}

TEST(FitConstants, GivesTheSameBytesInAUsedWorkspace) {
  const Samples samples = layer_norm_samples();
  FitWorkspace fresh, used;
  Expression other = Expression::parse("1*tanh(2*x) + 3*x*x + 0.5*abs(x)");
  fit_constants(other, samples, 5, used);
  Expression a = Expression::parse("1*tanh(0.5*x + 0.1) + 0.1");
  Expression b = a;
  EXPECT_EQ(fit_constants(a, samples, 10, fresh), fit_constants(b, samples, 10, used));
  EXPECT_EQ(a, b);
}

TEST(ScaleLinearly, FindsTheBestFactorAndOffset) {
  const Samples samples = layer_norm_samples();
  FitWorkspace workspace;
  Expression f = Expression::parse("tanh(0.2*x)");
  const double error = scale_linearly(f, samples, workspace);
  EXPECT_EQ(error, block_error(f, samples, workspace));
  for (double da : {-0.01, 0.0, 0.01}) {
    for (double db : {-0.01, 0.01}) {
      const auto moved = [&](double x) { return (1 + da) * f(x) + db; };
      EXPECT_GT(evaluate_fit(moved, samples).error, error);
    }
  }
}

TEST(ScaleLinearly, AdjustsAFactorAndAnOffsetInPlace) {
  FitWorkspace workspace;
  const auto target = [](double x) { return 3 * std::tanh(x) - 0.5; };
  const Samples samples = samples_of(target);
  for (const char* text : {"tanh(x)", "7*tanh(x)", "tanh(x) + 2", "2*tanh(x) - 4", "tanh(x)*2 - 4",
                           "4 - tanh(x)", "-tanh(x)", "-(3 + tanh(x)/5)", "2*(1 - 3*tanh(x))"}) {
    Expression f = Expression::parse(text);
    EXPECT_LT(scale_linearly(f, samples, workspace), 1e-9) << text;
    EXPECT_EQ(f.size(), 6U) << text << " became " << f.to_string();
    for (double x : {-2.0, 0.1, 3.0}) EXPECT_NEAR(f(x), target(x), 1e-4);
  }
}

TEST(ScaleLinearly, DropsAFactorOfOneAndAnOffsetOfZero) {
  FitWorkspace workspace;
  const Samples samples = samples_of([](double x) { return std::tanh(x); });
  for (const char* text : {"2*tanh(x) + 1", "2*tanh(x)", "tanh(x) + 1", "-tanh(x)"}) {
    Expression f = Expression::parse(text);
    scale_linearly(f, samples, workspace);
    EXPECT_EQ(f, Expression::parse("tanh(x)")) << f.to_string();
  }
}

TEST(ScaleLinearly, TurnsAConstantIntoTheMean) {
  FitWorkspace workspace;
  const Samples samples = samples_of([](double x) { return 2 + x; });
  Expression f = Expression::parse("7");
  EXPECT_NEAR(scale_linearly(f, samples, workspace), samples.variance, 1e-5 * samples.variance);
  EXPECT_EQ(f.size(), 1U);
  EXPECT_NEAR(f(0), 2, 1e-5);
}

TEST(ScaleLinearly, ChangesNothingWhereThatGainsNothing) {
  const Samples samples = layer_norm_samples();
  FitWorkspace workspace;
  Random random{43};
  int unchanged = 0;
  for (int i = 0; i < 100; ++i) {
    Expression f = Expression::parse("1*tanh(1*x + 1) + 1");
    std::vector<float> constants = f.constants();
    for (float& c : constants) c = static_cast<float>(random.normal());
    f.set_constants(constants);
    scale_linearly(f, samples, workspace);
    const Expression best = f;
    const double before = block_error(f, samples, workspace);
    const double after = scale_linearly(f, samples, workspace);
    if (f == best) {
      ++unchanged;
    } else {
      EXPECT_LT(after, before) << best.to_string() << " became " << f.to_string();
    }
  }
  EXPECT_GT(unchanged, 50);
}

TEST(ScaleLinearly, NeverWorsensAndLeavesAloneWhatIsNotFinite) {
  const Samples samples = layer_norm_samples();
  FitWorkspace workspace;
  for (const char* text : {"x", "0*x", "exp(x)", "x - x", "square(x)", "1/x", "min(x, 2)", "2 - x/3"}) {
    Expression f = Expression::parse(text);
    const size_t size = f.size();
    const double before = block_error(f, samples, workspace);
    EXPECT_LE(scale_linearly(f, samples, workspace), before) << text;
    EXPECT_LE(f.size(), size + 4);
  }
  Expression bad = Expression::parse("sqrt(x)");
  EXPECT_FALSE(std::isfinite(scale_linearly(bad, samples, workspace)));
  EXPECT_EQ(bad, Expression::parse("sqrt(x)"));
}

}  // namespace
}  // namespace normgraft
