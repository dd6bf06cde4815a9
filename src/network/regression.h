#pragma once

#include <ATen/ATen.h>

#include "normgraft/network/tensors.h"

namespace normgraft {

/// Rows of a regression that count differently.
struct WeightedRows {
  Tensor rows;    ///< [R, d]
  Tensor weight;  ///< [R], not negative
};

/// What a regression says: slopes x + intercept.
struct Line {
  Tensor slopes;     ///< [t, d]
  Tensor intercept;  ///< [t]
};

/// Ridge regression of several targets on the same weighted rows; the intercept is free. Works through the
/// rows in parts that stay in cache.
class Regression {
 public:
  explicit Regression(WeightedRows fit);

  /// targets [R, t]; damping in units of the mean squared input, > 0
  Line with_damping(const Tensor& targets, double damping) const;

  /// With the damping, of a few from 0.003 to 100, whose line errs least on rows that it was not fitted to.
  Line chosen_by(const Tensor& targets, const WeightedRows& choose, const Tensor& choose_targets) const;

 private:
  /// Covariances of the rows with targets, in the basis of the principal axes, F64 [d, t].
  Tensor along_axes(const Tensor& targets, const Tensor& mean) const;
  Line line(const Tensor& along, const Tensor& mean, double damping) const;
  Tensor mean_of(const Tensor& targets) const;
  Tensor products_with(const Tensor& values) const;

  Tensor rows_, weight_;
  Tensor mean_;            // of the rows, F64 [d]
  Tensor axes_, lengths_;  // eigenvectors [d, d] and eigenvalues [d] of their covariance, F64
  double unit_ = 0;        // of damping
};

}  // namespace normgraft
