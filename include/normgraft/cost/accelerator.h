#pragma once

#include <cstdint>
#include <string>

#include "normgraft/core/files.h"

namespace normgraft {

/// The numbers that Linears of an accelerator read, and that it keeps between two operations.
enum class ElementKind : uint8_t { kInt8, kFloat16, kFloat32 };

std::string to_string(ElementKind kind);

/// What a norm costs on an accelerator depends on these numbers alone. docs/accelerator.md gives the reasons
/// for those of the accelerators that are built in.
struct Accelerator {
  std::string name;
  ElementKind elements = ElementKind::kInt8;
  int64_t stream_bits = 16;  ///< of a number of the residual stream: 8, 16 or 32, no fewer than of an element
  double clock_hz = 0;
  int64_t lanes = 1;  ///< elements that enter a norm or an addition each clock, 1 to 65536
  double vector_operations_per_second = 0;  ///< peak at norm sites and additions
  double matrix_operations_per_second = 0;  ///< peak in products; a multiplication and an addition are two
  double offchip_bytes_per_second = 0;      ///< peak, reads and writes together
  int64_t buffer_bits = 0;                  ///< on-chip memory that can hold a token

  int64_t element_bits() const;
  double element_bytes() const { return static_cast<double>(element_bits()) / 8; }
  double stream_bytes() const { return static_cast<double>(stream_bits) / 8; }
};

/// The one that a report draws.
inline constexpr const char* kDefaultAccelerator = "small-fpga";

/// A built-in accelerator by its name, else one from a JSON file with a field for each member of Accelerator.
/// Throws InputError naming the file and the field for one that is missing, unknown, or out of its range.
Accelerator load_accelerator(const std::string& name_or_path);

/// The fields that load_accelerator() reads.
Json to_json(const Accelerator& accelerator);

}  // namespace normgraft
