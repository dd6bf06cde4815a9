#pragma once

#include <cstdint>
#include <initializer_list>

namespace normgraft {

/// A random stream (xoshiro256**) named by a tuple of numbers, e.g. {seed, site, generation, index}: equal
/// tuples give equal streams on every machine, different ones independent streams, so results do not depend
/// on which thread does what. Satisfies UniformRandomBitGenerator.
class Random {
 public:
  using result_type = uint64_t;

  explicit Random(std::initializer_list<uint64_t> name);

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }
  result_type operator()();

  /// Uniform in [0, 1), 53 bits.
  double uniform();
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform in {0, ..., n - 1}; n >= 1.
  uint64_t below(uint64_t n);
  /// Standard normal (Box-Muller).
  double normal();

 private:
  uint64_t state_[4];
};

}  // namespace normgraft
