#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace normgraft {

/// The numbers that a network is computed in.
enum class NumberKind : uint8_t {
  kFloat32,
  kBfloat16,
  kFloat16,
  kW8A8,   ///< integers: weights of 8 bits, what enters a Linear of 8
  kW8A16,  ///< integers: weights of 8 bits, what enters a Linear of 16
};

struct Precision {
  NumberKind kind = NumberKind::kFloat32;
  int stream_bits = 16;  ///< of the residual stream, 8 or 16; of integers only
  /// Of the largest g at a site x g(r), 6 to 15; of whole numbers only. Up to 8 bits g is a table of r
  /// without its lower bits, and y does without the lower bits of x.
  int factor_bits = 15;

  bool operator==(const Precision&) const = default;
  bool integers() const { return kind == NumberKind::kW8A8 || kind == NumberKind::kW8A16; }
  /// Of what enters a Linear, for integers.
  int operand_bits() const { return kind == NumberKind::kW8A8 ? 8 : 16; }
};

/// "float32", "bfloat16", "float16", "w8a8", "w8a16": in the order of NumberKind.
std::vector<std::string> number_kind_names();
/// Throws InputError naming these.
NumberKind number_kind_named(const std::string& name);
std::string to_string(NumberKind kind);

/// "w8a8, stream int16"
std::string to_string(const Precision& format);

/// Throws InputError where the bits of a stream are not 8 or 16, or those of factors not 6 to 15.
void check(const Precision& format);

}  // namespace normgraft
