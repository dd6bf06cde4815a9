#pragma once

#include <cstdint>

namespace normgraft {

/// What is known of the numbers that pass a norm site, beyond what the norm needs. Stored with the model and
/// with its mappings, never guessed.
struct Carried {
  /// The Linears that read y do not see a number added to all channels of a token.
  bool blind = false;
  /// k > 0: the mean of a token's x over channels is k times its spread; 0: the mean says nothing.
  double ratio = 0;
  /// Channel 0 of x is r, which tells the logarithm of the spread of the other channels. It is none of the
  /// stream's own: neither the norm nor the Linears that read y see it.
  bool channel = false;
  /// Where `channel`: the range within which a function takes r; beyond it, the nearer end.
  double low = 0, high = 0;
  /// Where `channel`: of the hidden units that the writer of x reads, the last so many were added for r.
  int64_t units = 0;

  bool operator==(const Carried&) const = default;
};

}  // namespace normgraft
