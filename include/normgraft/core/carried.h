#pragma once

namespace normgraft {

/// What is known of the numbers that pass a norm site, beyond what the norm needs. Stored with the model and
/// with its mappings, never guessed.
struct Carried {
  /// The Linears that read y do not see a number added to all channels of a token.
  bool blind = false;
  /// k > 0: the mean of a token's x over channels is k times its spread; 0: the mean says nothing.
  double ratio = 0;

  bool operator==(const Carried&) const = default;
};

}  // namespace normgraft
