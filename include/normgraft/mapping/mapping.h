#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "normgraft/core/files.h"
#include "normgraft/expr/expression.h"
#include "normgraft/mapping/moments.h"

namespace normgraft {

/// Pictures are dealt to folds by their index: two halves to fit on (which also cross-fit the ceiling), and a
/// part that no fit ever sees.
enum class Fold : uint8_t { kFirstHalf, kSecondHalf, kHeldOut };
inline constexpr int kFolds = 3;

/// The fold of the picture with that index in the capture: of every five, two go to each half, one is held
/// out; three pictures reach all folds.
Fold fold_of_picture(int64_t index);

/// What counts: every pair alike, or every pair by its sensitivity weight.
enum class Measure : uint8_t { kCount, kWeight };
inline constexpr int kMeasures = 2;

/// Which pictures: those to fit on (both halves), those held out, or all.
enum class Part : uint8_t { kFit, kHeldOut, kAll };

/// Something for each measure and fold.
template <typename T>
using OfFolds = std::array<std::array<T, kFolds>, kMeasures>;

/// Bins of x of one site: for each measure and fold the moments of the pairs (x, y), y before gamma and beta,
/// that fell into each bin. Bins without pairs have weight 0. In bins, a number may have been added to y of
/// all channels of a token (carried_offset), where the network does not see such a number.
struct SiteMapping {
  std::string name;           ///< timm name of the site, "blocks.3.norm2"
  int64_t pictures = 0;       ///< pictures captured
  int64_t tokens = 0;         ///< N, tokens a picture
  int64_t channels = 0;       ///< D; the site saw pictures * tokens * channels pairs
  std::vector<double> edges;  ///< bins + 1 increasing edges; the first and last are the range of x seen
  OfFolds<std::vector<Moments>> bins;
  OfFolds<Moments> y;  ///< weight, mean and sum of squares of y itself: what R^2 is a share of

  size_t bin_count() const { return edges.size() - 1; }
  const std::vector<Moments>& of(Measure measure, Fold fold) const {
    return bins[static_cast<size_t>(measure)][static_cast<size_t>(fold)];
  }
  Interval range() const { return {edges.front(), edges.back()}; }
  /// Moments of each bin over a part.
  std::vector<Moments> of(Measure measure, Part part) const;
  /// Of y itself over a part.
  Moments y_of(Measure measure, Part part) const;
};

/// SiteMapping::y of bins in which nothing was added to y.
OfFolds<Moments> y_of_bins(const SiteMapping& site);

/// The weighted least-squares problem that bins stand for: each bin with spread becomes two points at its
/// mean x plus and minus one standard deviation, with the in-bin regression's y, so that the error of any f
/// that is straight within a bin is exact, and that of a curved one right to second order:
///     sum over pairs of w (f(x) - y)^2 = sum_i weight_i (f(x_i) - y_i)^2 + residual.
struct Samples {
  std::vector<float> x, y, weight;  ///< increasing x; weights sum to 1
  double residual = 0;  ///< in the units of the weights: part of the mean squared error that no f can remove
  double variance = 0;  ///< of LayerNorm's own y, weighted, over all pairs
  double total_weight = 0;  ///< of the pairs, before the division

  size_t size() const { return x.size(); }
};

/// The samples of one part under one measure, adjacent bins merged down to at most `max_bins` (0: as
/// captured).
Samples make_samples(const SiteMapping& site, Measure measure, Part part, size_t max_bins = 0);

/// A mean squared error and the coefficient of determination 1 - error / variance.
struct Fit {
  double error = 0;
  double r2 = 0;
};

/// The weighted mean squared error of f and its R^2, in double with the reference interpreter.
Fit evaluate_fit(const Expression& f, const Samples& samples);
Fit evaluate_fit(const std::function<double(double)>& f, const Samples& samples);

/// The highest R^2 any function of x alone can have on a part. The regression E[y given x] is estimated
/// within bins on two folds and judged on the product of their residuals in the third, whose expectation is
/// the error of the true regression: neither the optimism of judging a fit on its own data nor the pessimism
/// of a noisy fit on other data. Each fold of the part takes its turn as the judge of the two others.
/// Adjacent bins are merged until each fold has `min_pairs` effective pairs (Kish) in each: more make the
/// estimate steadier but lower where the regression bends within a wide bin, as in the thin tails of weighted
/// pairs (50 lose up to 0.02 there, below what functions reach). NaN when a fold is empty (fewer than 3
/// pictures).
double ceiling(const SiteMapping& site, Measure measure, Part part, double min_pairs = 10);

/// Kish's effective number of pairs of a part, (sum of weights)^2 / sum of squared weights.
double effective_pairs(const SiteMapping& site, Measure measure, Part part);

/// All mappings of one model, as `mappings.ngm` holds them.
struct Mappings {
  std::string model;               ///< architecture name, for the reader
  bool weighted = false;           ///< false: every weight was 1, and kWeight equals kCount
  std::vector<SiteMapping> sites;  ///< in the order of the network

  /// Throws InputError when there is no site of that name.
  const SiteMapping& site(const std::string& name) const;
};

/// Reads `mappings.ngm`. Throws InputError when it is truncated, damaged or from a newer version.
Mappings read_mappings(const Path& path);

/// Writes `mappings.ngm` atomically.
void write_mappings(const Path& path, const Mappings& mappings);

}  // namespace normgraft
