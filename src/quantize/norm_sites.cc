#include "norm_sites.h"

#include <algorithm>
#include <cmath>

#include "normgraft/expr/expression.h"
#include "normgraft/graft/scalar_function.h"
#include "normgraft/integer/norm_step.h"

namespace normgraft {
namespace {

constexpr double kShare = 0.03;           ///< of a step of y, by which a curve of x may err beyond rounding
constexpr double kFactorShare = 1;        ///< of a step of g
constexpr int kTableBits = 8;             ///< up to so many bits g is a table
constexpr double kTableShare = 1.0 / 32;  ///< of g, by which its table may err beyond rounding
constexpr double kCutShare = 0.25;        ///< of a step of y, by which cutting x may move it
constexpr int kFraction = 8;              ///< of knots of f(x)

/// What a number of so many bits may reach without another digit of 4: such a digit is -1 to 2, so N of them
/// hold 4/3 of 2^(2 N - 1).
double most_in_digits(int bits) {
  return std::floor(std::ldexp(bits % 2 == 1 ? 4.0 / 3 : 1, bits));
}

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

  /// The codes of r for which g is made, and how many steps of y a step of x is at each.
  struct Factor {
    int64_t low = 0, high = 0;
    std::function<double(double code)> at;
    double largest = 1e-30;
  };

  Factor factor_of(const Expression& g, double step_of_y) const {
    const auto code_of = [&](double r) {
      return r / stream_.told_step + static_cast<double>(stream_.told_zero);
    };
    const double least = static_cast<double>(stream_.codes.least()),
                 most = static_cast<double>(stream_.codes.most());
    Factor factor;
    factor.low = static_cast<int64_t>(std::clamp(std::ceil(code_of(site_.carried.low)), least, most));
    factor.high = std::max(
        factor.low, static_cast<int64_t>(std::clamp(std::floor(code_of(site_.carried.high)), least, most)));
    factor.at = [&g, this, unit = step_of_x_ / step_of_y](double code) {
      const double r = (code - static_cast<double>(stream_.told_zero)) * stream_.told_step;
      return unit * g(std::clamp(r, site_.carried.low, site_.carried.high));
    };
    for (int64_t code = factor.low; code <= factor.high; ++code)
      factor.largest = std::max(factor.largest, std::abs(factor.at(static_cast<double>(code))));
    return factor;
  }

  Codes scale(const Expression& g) const {
    Codes to = even_buffer(wanted_.grid.step);
    const Factor factor = factor_of(g, wanted_.grid.step);
    ScaleStep step;
    step.from = stream_.codes.buffer;
    step.to = to.buffer;
    step.rows = wanted_.rows;
    if (wanted_.factor_bits <= kTableBits) {
      by_table(factor, step);
    } else {
      by_knots(factor, step);
    }
    to.floored = step.floors;
    maker_.step(site_.name, step);
    return to;
  }

  /// The largest shift by which no factor grows beyond `most`.
  static int shift_for(const Factor& factor, double most) {
    return std::clamp(std::ilogb(most / factor.largest), 0, 40);
  }

  void by_knots(const Factor& factor, ScaleStep& step) const {
    const double most = std::ldexp(1, wanted_.factor_bits);
    step.shift = shift_for(factor, most);
    CurveTarget target;
    target.exact = [&](double code) { return std::ldexp(factor.at(code), step.shift); };
    target.low = factor.low;
    target.high = factor.high;
    target.least = -most;
    target.most = most - 1;
    step.g = maker_.curve(site_.name + ".g", fit_curve(target, kFactorShare));
  }

  /// g of few bits: a table of r without its lower bits, times x without the bits that y hardly sees.
  void by_table(const Factor& factor, ScaleStep& step) const {
    const double most = most_in_digits(wanted_.factor_bits);
    step.shift = shift_for(factor, most);
    step.floors = true;
    const int top = stream_.codes.bits - 1;
    step.x_cut = std::clamp(std::ilogb(2 * kCutShare / factor.largest), 0, top);
    for (step.r_cut = top;; --step.r_cut) {
      const FittedCurve table = table_of(factor, step.shift, step.r_cut, most);
      if (step.r_cut > 0 && !is_near(factor, step, table)) continue;
      step.g = maker_.curve(site_.name + ".g", table);
      return;
    }
  }

  FittedCurve table_of(const Factor& factor, int shift, int cut, double most) const {
    CurveTarget target;
    target.exact = [&](double code) {
      const double middle = std::ldexp(code, cut) + (std::ldexp(1, cut) - 1) / 2;
      return std::ldexp(factor.at(middle), shift);
    };
    target.low = factor.low >> cut;
    target.high = factor.high >> cut;
    target.least = -most;
    target.most = most;
    return fit_table(target);
  }

  static bool is_near(const Factor& factor, const ScaleStep& step, const FittedCurve& table) {
    for (int64_t code = factor.low; code <= factor.high; ++code) {
      const double exact = std::ldexp(factor.at(static_cast<double>(code)), step.shift);
      const double error = std::abs(static_cast<double>(table(code >> step.r_cut)) - exact);
      if (error > 0.5 + std::max(0.5, kTableShare * std::abs(exact))) return false;
    }
    return true;
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
