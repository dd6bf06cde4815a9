#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "normgraft/core/carried.h"
#include "normgraft/core/files.h"
#include "normgraft/expr/expression.h"
#include "normgraft/mapping/moments.h"

namespace normgraft {

/// The pictures of a capture are split once into three parts: those to fit on, those to choose by, and those
/// that only reports look at. The ones to fit on are two folds, which cross-fit the ceiling.
enum class Fold : uint8_t { kFirstHalf, kSecondHalf, kChoose, kReport };
inline constexpr int kFolds = 4;

/// The fold of the picture at that position among those to fit on: the two halves in turn.
constexpr Fold fit_fold(int64_t position) {
  return position % 2 == 0 ? Fold::kFirstHalf : Fold::kSecondHalf;
}

/// What counts: every pair alike, or every pair by its sensitivity weight.
enum class Measure : uint8_t { kCount, kWeight };
inline constexpr int kMeasures = 2;

/// Which pictures: those to fit on (both halves), those to choose by, those to report on, or all.
enum class Part : uint8_t { kFit, kChoose, kReport, kAll };

/// The folds of a part.
std::span<const Fold> folds_of(Part part);

/// Something for each measure and fold.
template <typename T>
using OfFolds = std::array<std::array<T, kFolds>, kMeasures>;

/// Bins of x of one site: for each measure and fold the moments of the pairs (x, y), y before gamma and beta,
/// that fell into each bin. Bins without pairs have weight 0. In bins, a number may have been added to y of
/// all channels of a token, where the network does not see such a number (Carried::blind). Where a channel
/// tells the spread s of a token (Carried::channel), the pairs are (log s, 1 / s) instead, one for each
/// token: r as it should be told.
struct SiteMapping {
  std::string name;           ///< timm name of the site, "blocks.3.norm2"
  int64_t pictures = 0;       ///< pictures captured
  int64_t tokens = 0;         ///< N, tokens a picture
  int64_t channels = 0;       ///< D
  std::vector<double> edges;  ///< bins + 1 increasing edges; the first and last are the range of x of the
                              ///< pictures to fit on. The outer bins hold what the others have beyond it
  OfFolds<std::vector<Moments>> bins;
  OfFolds<Moments> y;  ///< weight, mean and sum of squares of y itself: what R^2 is a share of
  Carried carried = {};

  /// Of one picture.
  int64_t pairs() const { return carried.channel ? tokens : tokens * channels; }
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

/// A function g of what the pairs of a site hold, as a function at the site: g itself, or x g(r) where a
/// channel tells the spread (Carried::channel).
Expression at_site(const Expression& g, const Carried& carried);

/// The reverse: f(x) itself, or f(1, r) as a function of one variable.
Expression of_pairs(const Expression& f, const Carried& carried);

/// Where a function at a site is used whose mapping has that range: for x g(r) all r that r is held to, and
/// x from -1 to 1, as the range of x does not matter to it.
Seen seen_at_site(Interval range, const Carried& carried);

/// Why a function g of what the pairs of a site hold may not be used there: why_not_admissible() of
/// at_site(g).
std::string why_not_admissible(const Expression& g, Interval range, const Carried& carried);

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

/// What a weighted mean squared error of 1 over a part stands for: half the sum of the weights of a picture.
/// Under Fisher weights an error times this is the divergence of the answers that it causes, in nats a
/// picture, to second order (for_each_pairs). NaN where the part has no pairs.
double divergence_of_error(const SiteMapping& site, Part part);

/// The divergence that a function at the site causes, so predicted: its error times divergence_of_error().
double predicted_divergence(const Expression& f, const SiteMapping& site, Part part);

/// An estimate of the highest R^2 any function of x alone can have on a part. The regression E[y given x] is
/// estimated within bins on two folds and judged on the product of their residuals in a third, whose
/// expectation is the error of the true regression: neither the optimism of judging a fit on its own data nor
/// the pessimism of a noisy fit on other data. The pictures to choose by and those to report on are each
/// judged by the regressions of the two halves; each half by those of the other one and of all pictures that
/// are not fitted on. Being an estimate, it may lie below what a function reaches on a part by chance.
/// Adjacent bins are merged until each of these three regressions has `min_pairs` effective pairs (Kish) in
/// each: more make the estimate steadier but lower where the regression bends within a wide bin, as in the
/// thin tails of weighted pairs (50 lose up to 0.02 there, below what functions reach). NaN where one of the
/// three or the part has no pairs of positive weight.
double ceiling(const SiteMapping& site, Measure measure, Part part, double min_pairs = 10);

/// Kish's effective number of pairs of a part, (sum of weights)^2 / sum of squared weights.
double effective_pairs(const SiteMapping& site, Measure measure, Part part);

/// All mappings of one model, as `mappings.ngm` holds them.
struct Mappings {
  std::string model;               ///< architecture name, for the reader
  bool weighted = false;           ///< false: every weight was 1, and kWeight equals kCount
  std::vector<SiteMapping> sites;  ///< in the order of the network
  /// Whether there are pictures to choose by. Not in files before version 3: what those held out is
  /// Part::kReport, Part::kChoose is empty, and choices are made on the pictures fitted to.
  bool choose_part = true;

  /// Throws InputError when there is no site of that name.
  const SiteMapping& site(const std::string& name) const;
};

/// Reads `mappings.ngm` of versions 1 to 4; before version 4 no channel tells the spread. Before version 3
/// there is no part to choose by, and of what is carried only that a site is blind is known, where something
/// was added to y (version 2). Throws InputError when the file is truncated, damaged or from a newer version.
Mappings read_mappings(const Path& path);

/// Writes `mappings.ngm` atomically.
void write_mappings(const Path& path, const Mappings& mappings);

}  // namespace normgraft
