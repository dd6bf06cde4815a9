#pragma once

#include "normgraft/network/carrier.h"
#include "regression.h"
#include "token_rows.h"
#include "unit_training.h"

namespace normgraft {

/// One network on its way from site to site, whose writers are rewritten so that each token tells its spread
/// (carry_scale).
class CarrierWalk {
 public:
  /// `network` and `options` are kept.
  CarrierWalk(Network& network, const WalkImages& images, const CarrierOptions& options);

  /// The stream at the first site, of the pictures to fit to and then those to choose by.
  static Tensor enter(const Network& network, const WalkImages& images);

  /// The stream behind a site, of a network that is left alone.
  static Tensor advance(const Network& network, size_t site, const Tensor& x);

  /// Passes a site and rewrites the Linear behind it, if there is one; `wanted` is the teacher's stream
  /// there, or undefined.
  void pass(size_t site, const Tensor& wanted);

 private:
  /// The tokens behind a site as rows of regressions.
  struct Rows {
    TokenRows tokens;
    Tensor inputs;  ///< of the writer, but for the units of r [R, in - K]
  };

  void draw(size_t site, const Rows& rows, const Tensor& next, const Tensor& wanted);
  void tell_pooled(size_t site, const Tensor& x, const Tensor& input);
  void tell(size_t site, const Tensor& x, const Tensor& rows, const Tensor& weight, const Tensor& targets);
  Tensor with_units_taught(size_t site, const TokenRows& tokens, const Tensor& weight, const Tensor& next);
  UnitRows with_mixed_tokens(size_t site, const Units& units, UnitRows rows) const;
  Tensor given(size_t site, const Tensor& x) const;

  /// Whether r of a site is fitted in the metric of classes.
  bool by_classes(size_t site) const;
  /// Line by ridge regression of the rows [R, d] of all pictures, those to choose by behind the others.
  Line regress(const Tensor& rows, const Tensor& weight, const Tensor& targets) const;
  /// regress() on what the writer adds to the stream, in the metric of classes.
  Line regress_by_classes(const LinearNames& writer, const Tensor& rows, const Tensor& weight,
                          const Tensor& targets) const;
  /// k of a mean carrier at a site: that of the stream, or else that of the options.
  double ratio(const Site& site) const;
  /// What the carrier of each token lacks at a site: [..., 1].
  Tensor missing(const Site& site, const Tensor& x) const;
  /// How many of so many rows are of the pictures to fit to; these come first.
  int64_t fitted_of(int64_t rows) const { return rows / x_.size(0) * fitted_; }

  Network& network_;
  const CarrierOptions& options_;
  int64_t fitted_;
  Tensor metric_;  // class_metric(), where there are few pictures of each class
  Tensor x_;
};

}  // namespace normgraft
