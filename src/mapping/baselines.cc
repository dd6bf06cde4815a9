#include "normgraft/mapping/baselines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "closed_forms.h"
#include "levenberg.h"

namespace normgraft {
namespace {

using Constants = std::vector<float>;

constexpr int kIterations = 300;  // of each fit; it ends earlier when it converges
constexpr size_t kFitted = 6;     // starts that are fitted, the best ones before

/// A family of closed forms. Its constants start at `text`'s and are replaced by those of a start.
struct Form {
  std::string name;
  std::string text;
  std::vector<ConstantLink> links;
  std::vector<Constants> (*starts)(const Outline&);
};

float narrow(double value) {
  return static_cast<float>(value);
}

/// The smallest x with at least that share of the weight at or below it.
double quantile(const Samples& samples, double share) {
  double sum = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    sum += samples.weight[i];
    if (sum >= share) return samples.x[i];
  }
  return samples.x.back();
}

/// The least-squares line through the samples with low <= x <= high.
Scaling line_between(const Samples& samples, double low, double high) {
  const auto first = std::lower_bound(samples.x.begin(), samples.x.end(), low) - samples.x.begin();
  const auto last = std::upper_bound(samples.x.begin(), samples.x.end(), high) - samples.x.begin();
  Samples inside;
  inside.x.assign(samples.x.begin() + first, samples.x.begin() + last);
  inside.y.assign(samples.y.begin() + first, samples.y.begin() + last);
  inside.weight.assign(samples.weight.begin() + first, samples.weight.begin() + last);
  return best_scaling(inside.x, inside);
}

Outline outline(const Samples& samples) {
  Outline o{samples};
  o.median = quantile(samples, 0.5);
  const double spread = (quantile(samples, 0.84) - quantile(samples, 0.16)) / 2;
  if (spread > 0) o.spread = spread;
  o.slope = best_scaling(samples.x, samples).factor;
  return o;
}

/// Centres and widths, in units of x, at which an S-shaped curve may bend.
struct Bend {
  double centre, width;
};

std::vector<Bend> bends(const Outline& o) {
  std::vector<Bend> all;
  for (double share : {0.02, 0.16, 0.5, 0.84, 0.98}) {
    for (double width : {0.1, 0.3, 1.0, 2.0, 4.0, 10.0, 100.0}) {
      all.push_back({quantile(o.samples, share), width * o.spread});
    }
  }
  return all;
}

/// The best factor and offset of an S-shaped curve of one bend.
template <class Curve>
Scaling scale_curve(const Outline& o, const Curve& curve) {
  std::vector<float> z(o.samples.size());
  for (size_t i = 0; i < z.size(); ++i) z[i] = narrow(curve(o.samples.x[i]));
  return best_scaling(z, o.samples);
}

std::vector<Constants> line_starts(const Outline& o) {
  const auto [a, b] = best_scaling(o.samples.x, o.samples);
  return {{narrow(a), narrow(b)}};
}

/// Lines through the centre of the samples, as steep as the best line or steeper.
std::vector<Constants> fixed_clip_starts(const Outline& o) {
  std::vector<Constants> starts;
  for (double share : {0.0, 0.001, 0.01, 0.05, 0.16}) {
    const auto [a, b] = line_between(o.samples, quantile(o.samples, share), quantile(o.samples, 1 - share));
    for (double steeper : {1.0, 1.5, 2.5}) {
      starts.push_back({narrow(steeper * a), narrow(b + (1 - steeper) * a * o.median), -5.0F, 5.0F});
    }
  }
  return starts;
}

/// The best line between two quantiles, clipped at its values there.
std::vector<Constants> clip_starts(const Outline& o) {
  constexpr std::array kShares = {0.0, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.4};
  std::vector<Constants> starts;
  for (double below : kShares) {
    for (double above : kShares) {
      const double left = quantile(o.samples, below);
      const double right = quantile(o.samples, 1 - above);
      const auto [a, b] = line_between(o.samples, left, right);
      const auto [low, high] = std::minmax({narrow(a * left + b), narrow(a * right + b)});
      starts.push_back({narrow(a), narrow(b), low, high});
    }
  }
  return starts;
}

std::vector<Constants> tanh_starts(const Outline& o) {
  std::vector<Constants> starts;
  for (double scale = 1e-3; scale < 1e3; scale *= 1.3) {
    starts.push_back({narrow(std::copysign(scale / o.spread, o.slope))});
  }
  return starts;
}

template <double (*curve)(double)>
std::vector<Constants> sigmoid_starts(const Outline& o) {
  std::vector<Constants> starts;
  for (const Bend& bend : bends(o)) {
    const auto [c, b] = scale_curve(o, [&](double x) { return curve((x - bend.centre) / bend.width); });
    starts.push_back({narrow(c), narrow(1 / bend.width), narrow(-bend.centre / bend.width), narrow(b)});
  }
  return starts;
}

std::vector<Constants> isru_starts(const Outline& o) {
  std::vector<Constants> starts;
  for (const Bend& bend : bends(o)) {
    const auto [c, b] =
        scale_curve(o, [&](double x) { return (x - bend.centre) / std::hypot(x - bend.centre, bend.width); });
    const float s = narrow(-bend.centre);
    starts.push_back({narrow(c), s, s, narrow(bend.width * bend.width), narrow(b)});
  }
  return starts;
}

std::vector<Constants> softsign_starts(const Outline& o) {
  std::vector<Constants> starts;
  const double flattest = 1e-3 * std::sqrt(o.samples.variance);
  for (const Bend& bend : bends(o)) {
    const auto [factor, b] = scale_curve(
        o, [&](double x) { return (x - bend.centre) / (bend.width + std::abs(x - bend.centre)); });
    // The denominator's constants have to be positive, and the curve thus increasing.
    const double c = std::max({factor, flattest, 1e-30});
    const float s = narrow(-bend.centre);
    starts.push_back({s, narrow(bend.width / c), narrow(1 / c), s, narrow(b)});
  }
  return starts;
}

/// Curves a * curve(x; b) with the best a for each b.
template <double (*curve)(double, double)>
std::vector<Constants> factor_starts(const Outline& o, const std::vector<double>& bs) {
  std::vector<Constants> starts;
  for (const double b : bs) {
    double product = 0, square = 0;
    for (size_t i = 0; i < o.samples.size(); ++i) {
      const double z = curve(o.samples.x[i], b);
      product += o.samples.weight[i] * z * o.samples.y[i];
      square += o.samples.weight[i] * z * z;
    }
    starts.push_back({narrow(product / square), narrow(b)});
  }
  return starts;
}

double exponential(double x, double b) {
  return std::exp(b * x);
}

template <int power>
double reciprocal(double x, double b) {
  return std::pow(x + b, -power);
}

std::vector<Constants> exponential_starts(const Outline& o) {
  return factor_starts<exponential>(o, {-2, -1.4, -1, -0.7, -0.4, 0.5});
}

/// Poles left of the samples.
template <int power>
std::vector<Constants> reciprocal_starts(const Outline& o) {
  std::vector<double> shifts;
  for (double distance = 0.1; distance < 30; distance *= 1.5)
    shifts.push_back(distance - double{o.samples.x.front()});
  return factor_starts<reciprocal<power>>(o, shifts);
}

const std::vector<Form>& forms_of_token() {
  static const std::vector<Form> kAll = {
      {"exp", "1*exp(1*x)", {{0}, {1}}, exponential_starts},
      {"reciprocal", "1/(x + 1)", {{0}, {1}}, reciprocal_starts<1>},
      {"reciprocal2", "1/square(x + 1)", {{0}, {1}}, reciprocal_starts<2>},
  };
  return kAll;
}

const std::vector<Form>& forms() {
  constexpr ConstantLink kFixed;
  static const std::vector<Form> kAll = {
      {"line", "1*x + 1", {{0}, {1}}, line_starts},
      {"clip5", "clip(1*x + 1, -5, 5)", {{0}, {1}, kFixed, kFixed}, fixed_clip_starts},
      {"clip", "clip(1*x + 1, -1, 1)", {{0}, {1}, {2}, {3}}, clip_starts},
      {"tanh", "tanh(1*x)", {{0}}, tanh_starts},
      {"scaled-tanh", "1*tanh(1*x + 1) + 1", {{0}, {1}, {2}, {3}}, sigmoid_starts<std::tanh>},
      {"erf", "1*erf(1*x + 1) + 1", {{0}, {1}, {2}, {3}}, sigmoid_starts<std::erf>},
      {"isru", "1*(x + 1)*rsqrt(square(x + 1) + 1) + 1", {{0}, {1}, {1}, {2, true}, {3}}, isru_starts},
      {"softsign", "(x + 1)/(1 + 1*abs(x + 1)) + 1", {{0}, {1, true}, {2, true}, {0}, {3}}, softsign_starts},
  };
  return kAll;
}

struct Candidate {
  Expression expression;
  double error = 0;
};

Expression fit(const Form& form, const Outline& o, const Allowed& allowed, FitWorkspace& workspace) {
  std::vector<Candidate> candidates;
  for (const Constants& constants : form.starts(o)) {
    Candidate candidate{Expression::parse(form.text)};
    if (!std::all_of(constants.begin(), constants.end(), [](float c) { return std::isfinite(c); })) continue;
    candidate.expression.set_constants(constants);
    candidate.error = block_error(candidate.expression, o.samples, workspace);
    if (std::isfinite(candidate.error) && allowed(candidate.expression)) candidates.push_back(candidate);
  }
  if (candidates.empty()) throw std::runtime_error(fmt::format("no admissible start to fit {}", form.name));
  const auto better = [](const Candidate& a, const Candidate& b) { return a.error < b.error; };
  std::stable_sort(candidates.begin(), candidates.end(), better);
  candidates.resize(std::min(candidates.size(), kFitted));
  for (Candidate& c : candidates) {
    c.error = fit_linked_constants(c.expression, form.links, o.samples, kIterations, workspace, allowed);
  }
  return std::min_element(candidates.begin(), candidates.end(), better)->expression;
}

}  // namespace

std::vector<std::string> baseline_names() {
  std::vector<std::string> names;
  for (const Form& form : forms()) names.push_back(form.name);
  names.push_back("log");
  for (size_t k = kFewestKnots; k <= kMostKnots; ++k) names.push_back(fmt::format("lines{}", k));
  return names;
}

std::vector<std::string> token_form_names() {
  std::vector<std::string> names;
  for (const Form& form : forms_of_token()) names.push_back(form.name);
  return names;
}

std::vector<Baseline> fit_baselines(const Samples& samples, Interval seen, const Carried& carried) {
  if (samples.size() == 0) throw std::runtime_error("no samples to fit closed forms to");
  const Outline o = outline(samples);
  const auto allowed = [&](const Expression& g) { return why_not_admissible(g, seen, carried).empty(); };
  FitWorkspace workspace;
  std::vector<Expression> fitted;
  for (const Form& form : forms()) fitted.push_back(fit(form, o, allowed, workspace));
  fitted.push_back(fit_log(o, allowed));
  for (Expression& lines : fit_lines(o, allowed, workspace)) fitted.push_back(std::move(lines));
  std::vector<Baseline> baselines;
  const std::vector<std::string> names = baseline_names();
  for (size_t i = 0; i < names.size(); ++i) baselines.push_back({names[i], std::move(fitted[i])});
  if (!carried.channel) return baselines;
  for (const Form& form : forms_of_token())
    baselines.push_back({form.name, fit(form, o, allowed, workspace)});
  return baselines;
}

}  // namespace normgraft
