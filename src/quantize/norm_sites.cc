#include "norm_sites.h"

#include <algorithm>
#include <cmath>

#include "normgraft/expr/expression.h"
#include "normgraft/graft/scalar_function.h"
#include "normgraft/integer/norm_step.h"

namespace normgraft {
namespace {

constexpr double kShare = 0.03;     ///< of a step of y, by which a curve of x may err beyond rounding
constexpr double kFactorShare = 1;  ///< of a step of g
constexpr int kFraction = 8;        ///< of knots of f(x)

class SiteMaker {
 public:
  SiteMaker(ProgramMaker& maker, const Graft& graft, const StreamCodes& stream, const SiteToMake& wanted)
      : maker_(maker),
        site_(graft.network().sites()[wanted.site]),
        stream_(stream),
        wanted_(wanted),
        step_of_x_(stream.codes.steps[stream.codes.steps.size(0) - 1].item<double>()) {
    if (graft.has_function(wanted.site)) {
      function_ = with_constants(graft.expression(wanted.site), graft.constants(wanted.site));
    }
  }

  Codes make() const {
    if (!function_) return norm();
    if (!site_.carried.channel) return curve();
    return scale(factor_of_r(*function_).value());
  }

 private:
  Codes even_buffer(double step, int64_t zero = 0) const {
    return maker_.buffer(site_.name, site_.tokens, site_.channels, wanted_.grid.bits, step, zero);
  }

  Codes scale(const Expression& g) const {
    const Codes to = even_buffer(wanted_.grid.step);
    const auto code_of = [&](double r) {
      return r / stream_.told_step + static_cast<double>(stream_.told_zero);
    };
    const double least = static_cast<double>(stream_.codes.least()),
                 most = static_cast<double>(stream_.codes.most());
    const auto low = static_cast<int64_t>(std::clamp(std::ceil(code_of(site_.carried.low)), least, most));
    const auto high =
        std::max(low, static_cast<int64_t>(std::clamp(std::floor(code_of(site_.carried.high)), least, most)));
    const double unit = step_of_x_ / to.steps[0].item<double>();
    const auto factor = [&](double code) {
      const double r = (code - static_cast<double>(stream_.told_zero)) * stream_.told_step;
      return unit * g(std::clamp(r, site_.carried.low, site_.carried.high));
    };
    double largest = 1e-30;
    for (int64_t code = low; code <= high; ++code)
      largest = std::max(largest, std::abs(factor(static_cast<double>(code))));
    int exponent = 0;
    std::frexp(largest, &exponent);
    const int shift = std::clamp(wanted_.factor_bits - exponent, 0, 40);
    CurveTarget target;
    target.exact = [&](double code) { return std::ldexp(factor(code), shift); };
    target.low = low;
    target.high = high;
    target.least = -std::ldexp(1, wanted_.factor_bits);
    target.most = std::ldexp(1, wanted_.factor_bits) - 1;
    ScaleStep step;
    step.from = stream_.codes.buffer;
    step.to = to.buffer;
    step.g = maker_.curve(site_.name + ".g", fit_curve(target, kFactorShare));
    step.shift = shift;
    step.rows = wanted_.rows;
    maker_.step(site_.name, step);
    return to;
  }

  Codes curve() const {
    const IntegerGrid& grid = wanted_.grid;
    const int64_t zero = -grid.least - (int64_t{1} << (grid.bits - 1));
    const Codes to = even_buffer(grid.step, zero);
    CurveTarget target;
    target.exact = [&](double code) {
      return (*function_)(code * step_of_x_) / grid.step + static_cast<double>(zero);
    };
    target.low = stream_.codes.least();
    target.high = stream_.codes.most();
    target.least = static_cast<double>(to.least());
    target.most = static_cast<double>(to.most());
    target.fraction = kFraction;
    target.knot_bits = grid.bits == 8 ? 16 : 32;
    CurveStep step;
    step.from = stream_.codes.buffer;
    step.to = to.buffer;
    step.f = maker_.curve(site_.name + ".f", fit_curve(target, kShare));
    step.rows = wanted_.rows;
    maker_.step(site_.name, step);
    return to;
  }

  Codes norm() const {
    const Codes to = even_buffer(wanted_.grid.step);
    NormStep step = norm_step({.channels = site_.channels,
                               .x_bits = stream_.codes.bits,
                               .x_step = step_of_x_,
                               .y_step = to.steps[0].item<double>(),
                               .eps = site_.eps});
    step.from = stream_.codes.buffer;
    step.to = to.buffer;
    step.rows = wanted_.rows;
    maker_.step(site_.name, step);
    return to;
  }

  ProgramMaker& maker_;
  const Site& site_;
  const StreamCodes& stream_;
  const SiteToMake& wanted_;
  double step_of_x_;
  std::optional<Expression> function_;
};

}  // namespace

Codes add_norm_site(ProgramMaker& maker, const Graft& graft, const StreamCodes& stream,
                    const SiteToMake& wanted) {
  return SiteMaker(maker, graft, stream, wanted).make();
}

}  // namespace normgraft
