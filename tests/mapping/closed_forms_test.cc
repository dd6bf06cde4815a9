#include "closed_forms.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include "normgraft/mapping/baselines.h"
#include "support/temporary_folder.h"
#include "synthetic.h"

namespace normgraft {
namespace {

std::map<std::string, Expression> by_name(const Samples& samples, Interval seen) {
  std::map<std::string, Expression> named;
  for (const Baseline& b : fit_baselines(samples, seen)) named.emplace(b.name, b.expression);
  return named;
}

/// Synthetic pairs y = f(x) + noise, x with heavy tails around `centre`.
SiteMapping capture_of(const std::function<double(double)>& f, double noise = 0, double centre = 0) {
  Random random{61};
  std::vector<synthetic::Picture> pictures(6);
  for (auto& p : pictures) {
    for (int i = 0; i < 20000; ++i) {
      const auto x = static_cast<float>(centre + random.normal() * std::exp(0.4 * random.normal()));
      p.x.push_back(x);
      p.y.push_back(static_cast<float>(f(x) + noise * random.normal()));
    }
  }
  return synthetic::capture(pictures, false);
}

double weighted_median(const Samples& samples) {
  double sum = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    sum += samples.weight[i];
    if (sum >= 0.5) return samples.x[i];
  }
  return samples.x.back();
}

/// The logarithm of u, and its tangent at p below p.
double guarded_log(double u, double p) {
  return u >= p ? std::log(u) : std::log(p) + (u - p) / p;
}

TEST(LogForm, RecoversALogarithmWithItsTangent) {
  struct Case {
    double a, b, c, centre;
  };
  for (const auto& [a, b, c, centre] : {Case{3, 6, 0.5, 0}, Case{20, 30, -60, 0}, Case{1.5, -40, 2, 55}}) {
    const SiteMapping shape = capture_of([](double x) { return x; }, 0, centre);
    const double median = weighted_median(make_samples(shape, Measure::kCount, Part::kFit));
    const double p = 0.1 * (median + b);
    const SiteMapping site = capture_of([&](double x) { return a * guarded_log(x + b, p) + c; }, 0, centre);
    const Samples samples = make_samples(site, Measure::kCount, Part::kFit);
    const Expression f = by_name(samples, site.range()).at("log");
    EXPECT_GT(evaluate_fit(f, samples).r2, 1 - 1e-6) << f.to_string();
    const std::vector<float> constants = f.constants();
    EXPECT_NEAR(constants[0], a, 0.02 * a) << f.to_string();
    EXPECT_NEAR(constants[1], b, 0.02 * (median + b)) << f.to_string();
  }
}

TEST(LogForm, IsContinuousWithItsSlopeAtATenthOfTheMedianOfItsArgument) {
  const SiteMapping site = capture_of([](double x) { return 2 * std::log(std::max(x + 4, 0.4)); });
  const Samples samples = make_samples(site, Measure::kCount, Part::kFit);
  const Expression f = by_name(samples, site.range()).at("log");
  const std::vector<float> c = f.constants();
  ASSERT_EQ(c.size(), 7U) << f.to_string();
  EXPECT_EQ(c[1], c[3]);
  EXPECT_EQ(c[2], c[4]);
  EXPECT_NEAR(c[2], 0.1 * (weighted_median(samples) + c[1]), 1e-6);
  const double at = double{c[2]} - c[1];
  EXPECT_NEAR(f(at - 1e-6), f(at + 1e-6), 1e-4);
  EXPECT_NEAR(f.derivative(at - 1e-3), f.derivative(at + 1e-3), 0.02 * f.derivative(at - 1e-3));
  EXPECT_EQ(f.derivative(at - 1), f.derivative(at - 100)) << "straight below";
  EXPECT_EQ(why_not_admissible(f, {site.range()}), "");
  EXPECT_EQ(tail(f), Tail::kLinear);
}

TEST(LogForm, IsNotBeatenByADenseGridSearch) {
  const SiteMapping site = synthetic::capture(synthetic::layer_norm(12, 80, 192, 62), true);
  const Samples samples = make_samples(site, Measure::kWeight, Part::kFit, 200);
  const Expression f = by_name(samples, site.range()).at("log");
  const double median = weighted_median(samples);
  double best = 1e30;
  for (double argument = 0.02; argument < 500; argument *= 1.01) {
    Moments m;
    for (size_t i = 0; i < samples.size(); ++i) {
      const double z = guarded_log(samples.x[i] - median + argument, 0.1 * argument);
      m.merge({samples.weight[i], z, samples.y[i], 0, 0, 0, 0});
    }
    best = std::min(best, m.syy - m.sxy * m.sxy / m.sxx + samples.residual);
  }
  EXPECT_LE(evaluate_fit(f, samples).error, best + 1e-6 * samples.variance) << f.to_string();
}

TEST(LogForm, IsTheNextBestCurveWhereTheBestIsNotAllowed) {
  // The tangent of the best, at a tenth of the median of x, overflows far out; those of flatter curves do
  // not.
  Samples samples;
  for (int i = 0; i <= 100; ++i) {
    samples.x.push_back(static_cast<float>(std::pow(10, -3 + 0.03 * i)));
    samples.y.push_back(2e30F * std::log(samples.x.back()));
    samples.weight.push_back(1.0F / 101);
  }
  const Interval seen{samples.x.front(), samples.x.back()};
  const Outline o{samples, weighted_median(samples), 0.2, 1};
  const auto admissible = [&](const Expression& f) { return why_not_admissible(f, {seen}).empty(); };
  const Expression best = fit_log(o, [](const Expression&) { return true; });
  const Expression f = fit_log(o, admissible);
  EXPECT_NE(why_not_admissible(best, {seen}), "");
  EXPECT_EQ(why_not_admissible(f, {seen}), "");
  EXPECT_GT(evaluate_fit(f, samples).error, evaluate_fit(best, samples).error);
  EXPECT_THROW(fit_log(o, [](const Expression&) { return false; }), std::runtime_error);
}

/// Through the points (x, y), and beyond the first and last with the slopes next to them.
double through(const std::vector<std::pair<double, double>>& points, double x) {
  size_t i = 1;
  while (i + 1 < points.size() && x > points[i].first) ++i;
  const auto [x0, y0] = points[i - 1];
  const auto [x1, y1] = points[i];
  return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
}

TEST(Lines, RecoverAPiecewiseLinearFunctionWithAsManyKnots) {
  const std::vector<std::vector<std::pair<double, double>>> shapes = {
      {{-4, -3}, {-0.7, -1.1}, {1.3, 0.4}, {5, 0.9}},
      {{-4, 1}, {-1, -1}, {0.2, 1.5}, {1.1, 1.2}, {5, 3}},
      {{-4, -1.4}, {-1.6, -1.2}, {-0.4, -0.7}, {0.3, 0.5}, {1.2, 0.8}, {6, 1.1}},
      {{-6, -2}, {-2, 0}, {-1.2, -1}, {-0.5, 1}, {0, 0.5}, {0.4, 2}, {0.9, 1.5}, {1.5, 3}, {2.2, 2}, {6, 4}},
  };
  for (const auto& shape : shapes) {
    const SiteMapping site = capture_of([&](double x) { return through(shape, x); });
    const Samples samples = make_samples(site, Measure::kCount, Part::kFit);
    const Expression f = by_name(samples, site.range()).at("lines" + std::to_string(shape.size() - 2));
    EXPECT_GT(evaluate_fit(f, samples).r2, 1 - 1e-5) << f.to_string();
  }
}

TEST(Lines, AreNotBeatenByAnyPairOfKnotsBetweenSamples) {
  const SiteMapping site = synthetic::capture(synthetic::layer_norm(12, 80, 192, 63), true);
  const Samples coarse = make_samples(site, Measure::kWeight, Part::kFit, 30);
  const Expression f = by_name(coarse, site.range()).at("lines2");
  double best = 1e30;
  const auto n = static_cast<Eigen::Index>(coarse.size());
  Eigen::VectorXd y(n);
  Eigen::MatrixXd columns(n, 4);
  for (size_t left = 0; left + 1 < coarse.size(); ++left) {
    for (size_t right = left + 1; right + 1 < coarse.size(); ++right) {
      const double knots[2] = {0.5 * (coarse.x[left] + coarse.x[left + 1]),
                               0.5 * (coarse.x[right] + coarse.x[right + 1])};
      for (Eigen::Index i = 0; i < n; ++i) {
        const auto at = static_cast<size_t>(i);
        const double root = std::sqrt(coarse.weight[at]);
        const double x = coarse.x[at];
        columns.row(i) << root, root * x, root * std::max(x - knots[0], 0.0),
            root * std::max(x - knots[1], 0.0);
        y(i) = root * coarse.y[at];
      }
      const Eigen::VectorXd factors = columns.householderQr().solve(y);
      best = std::min(best, (columns * factors - y).squaredNorm() + coarse.residual);
    }
  }
  EXPECT_LE(evaluate_fit(f, coarse).error, best + 1e-6 * coarse.variance) << f.to_string();
}

/// The knots of a fitted function, from its text's clips and max.
std::vector<float> knots_of(const Expression& f) {
  std::vector<float> knots;
  for (const Instruction& step : f.program()) {
    if (step.op != Op::kClip) continue;
    if (knots.empty()) {
      knots.push_back(step.c[0]);
    } else {
      EXPECT_EQ(step.c[0], knots.back()) << "a clip begins where the one before ends";
    }
    knots.push_back(step.c[1]);
  }
  return knots;
}

TEST(Lines, AreTheLeastSquaresThatNumpyFindsForTheSameKnots) {
  const SiteMapping site = synthetic::capture(synthetic::layer_norm(12, 80, 192, 64), true);
  const Samples samples = make_samples(site, Measure::kWeight, Part::kFit);
  const auto named = by_name(samples, site.range());
  const testing::TemporaryFolder folder;
  std::ofstream data(folder / "samples.txt");
  data.precision(9);
  for (size_t i = 0; i < samples.size(); ++i) {
    data << samples.x[i] << ' ' << samples.y[i] << ' ' << samples.weight[i] << '\n';
  }
  data.close();
  std::ofstream knots(folder / "knots.txt");
  knots.precision(9);
  for (int k = 2; k <= 8; ++k) {
    const std::vector<float> of_form = knots_of(named.at("lines" + std::to_string(k)));
    ASSERT_EQ(of_form.size(), static_cast<size_t>(k));
    for (float knot : of_form) knots << knot << ' ';
    knots << '\n';
  }
  knots.close();
  write_atomically(folder / "oracle.py",
                   "import numpy as np\n"
                   "x, y, w = np.loadtxt('samples.txt').T\n"
                   "for line in open('knots.txt'):\n"
                   "    hinges = [np.maximum(x - float(k), 0) for k in line.split()]\n"
                   "    columns = np.stack([np.ones_like(x), x] + hinges, 1) * np.sqrt(w)[:, None]\n"
                   "    f = np.linalg.lstsq(columns, y * np.sqrt(w), rcond=None)[0]\n"
                   "    print(np.sum((columns @ f - y * np.sqrt(w))**2))\n");
  const std::string command =
      "cd " + folder.path().string() + " && /usr/bin/python3 oracle.py > out.txt 2> err.txt";
  ASSERT_EQ(std::system(command.c_str()), 0) << read_file(folder / "err.txt", "errors");
  std::ifstream out(folder / "out.txt");
  for (int k = 2; k <= 8; ++k) {
    double error = 0;
    ASSERT_TRUE(out >> error) << k;
    const Fit fit = evaluate_fit(named.at("lines" + std::to_string(k)), samples);
    EXPECT_NEAR(fit.error - samples.residual, error, 1e-6 * samples.variance) << k;
    EXPECT_GE(fit.error - samples.residual, error - 1e-9 * samples.variance) << k;
  }
}

TEST(Lines, WithMoreKnotsAreAtLeastAsGoodAndNeverWorseThanAClip) {
  for (const double noise : {0.0, 0.5}) {
    const SiteMapping site = capture_of([](double x) { return std::tanh(x) + 0.3 * std::sin(2 * x); }, noise);
    const Samples samples = make_samples(site, Measure::kCount, Part::kFit);
    const auto named = by_name(samples, site.range());
    double before = evaluate_fit(named.at("clip"), samples).r2;
    for (int k = 2; k <= 8; ++k) {
      const Expression& f = named.at("lines" + std::to_string(k));
      const double r2 = evaluate_fit(f, samples).r2;
      EXPECT_GE(r2, before - 1e-6) << k;
      EXPECT_EQ(f.size(), static_cast<size_t>(5 * k + 6));
      EXPECT_EQ(why_not_admissible(f, {site.range()}), "") << f.to_string();
      before = r2;
    }
  }
}

}  // namespace
}  // namespace normgraft
