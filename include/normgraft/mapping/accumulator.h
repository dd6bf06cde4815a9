#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// Streams the pairs of one site into a fixed fine grid of x (cells of equal relative width, a function of
/// the bits of x alone) in constant memory, and merges the cells into the final bins at the end. The result
/// depends on the order of pictures only, never on threads.
class SiteAccumulator {
 public:
  SiteAccumulator(std::string name, int64_t tokens, int64_t channels);
  ~SiteAccumulator();
  SiteAccumulator(SiteAccumulator&&) noexcept;
  SiteAccumulator& operator=(SiteAccumulator&&) noexcept;

  /// Adds the pairs of the next picture to its fold (fit_fold for those to fit on): x and y are [N, D],
  /// row-major; `weight` likewise and not negative, or empty for all 1, then for every picture. Values that
  /// are not finite or of the wrong number throw std::runtime_error naming site and picture, and leave the
  /// accumulator as it was. `offset` is [N] or empty, for every picture alike: numbers added to y of all
  /// channels of a token (SiteMapping::y is without them).
  void add_picture(Fold fold, std::span<const float> x, std::span<const float> y,
                   std::span<const float> weight = {}, std::span<const float> offset = {});

  /// The mapping so far, without what is carried, in at most `bins` bins (at least 16): half of the edges by
  /// mass and half by range, both of the pictures to fit on alone. Throws std::runtime_error before the first
  /// of these.
  SiteMapping finish(size_t bins = 2048) const;

 private:
  struct Grid;
  std::unique_ptr<Grid> grid_;
};

}  // namespace normgraft
