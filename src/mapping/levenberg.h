#pragma once

#include <functional>
#include <span>

#include "normgraft/mapping/least_squares.h"

namespace normgraft {

/// Which parameter a constant of an expression takes its value from; several may share one.
struct ConstantLink {
  static constexpr int kFixed = -1;
  int parameter = kFixed;
  bool squared = false;  ///< the constant is the square of the parameter
};

/// fit_constants over parameters: one link for each constant of `f`. `squared` constants must start positive.
/// Steps to an expression that `allowed` refuses are not taken; an empty function allows all.
double fit_linked_constants(Expression& f, std::span<const ConstantLink> links, const Samples& samples,
                            int iterations, FitWorkspace& workspace,
                            const std::function<bool(const Expression&)>& allowed);

/// The factor a and offset b of the line a*z + b nearest to y in weighted least squares; a = 0 when z has no
/// spread, NaN or infinite where z is.
struct Scaling {
  double factor = 0;
  double offset = 0;
};
Scaling best_scaling(std::span<const float> z, const Samples& samples);

}  // namespace normgraft
