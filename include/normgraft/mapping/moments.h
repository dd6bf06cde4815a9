#pragma once

namespace normgraft {

/// A weighted summary of pairs (x, y): total weight, means, and second moments about the means
/// (sxx = sum w (x - x_mean)^2 and so on).
struct Moments {
  double weight = 0;
  double x = 0;
  double y = 0;
  double sxx = 0;
  double sxy = 0;
  double syy = 0;
  double weight2 = 0;  ///< sum of squared weights, for Kish's effective number of pairs weight^2 / weight2

  /// Joins another summary, exactly up to rounding (Chan, Golub, LeVeque 1983).
  void merge(const Moments& other);
};

}  // namespace normgraft
