#pragma once

#include "normgraft/capture/pairs.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

struct CaptureOptions {
  size_t bins = 2048;  ///< of x for each site, 16 to 65,536
  PairOptions pairs = {};
  double carried =
      0;  ///< carrier_ratio of a network whose tokens carry their scale (carry_scale); 0: they do not

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

/// The mappings of every norm site over the pictures (for_each_pairs). Where tokens carry their scale, the
/// pairs are (x, y + carried_offset): y is only known up to a number for all channels there, and with this
/// one it is a function of x.
Mappings capture(const Vit& vit, Loader& pictures, int64_t picture_count, const CaptureOptions& options,
                 Monitor& monitor);

}  // namespace normgraft
