#pragma once

#include <cstdint>
#include <string>

namespace normgraft {

/// What a pair weighs.
enum class Weights : uint8_t {
  kNone,    ///< 1
  kFisher,  ///< what an error of y there costs the network
};

/// "none" or "fisher"; throws InputError naming these.
Weights weights_named(const std::string& name);
std::string to_string(Weights weights);

struct PairOptions {
  Weights weights = Weights::kFisher;
  int probes = 3;     ///< gradients drawn for each picture under Fisher weights, 1 to 1000
  uint64_t seed = 1;  ///< of the probes

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

struct CaptureOptions {
  size_t bins = 2048;  ///< of x for each site, 16 to 65,536
  PairOptions pairs = {};

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

}  // namespace normgraft
