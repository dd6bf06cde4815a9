#pragma once

#include "normgraft/capture/pairs.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

struct CaptureOptions {
  size_t bins = 2048;  ///< of x for each site, 16 to 65,536
  PairOptions pairs = {};

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

/// The mappings of every norm site over the pictures (for_each_pairs).
Mappings capture(const Vit& vit, Loader& pictures, int64_t picture_count, const CaptureOptions& options,
                 Monitor& monitor);

}  // namespace normgraft
