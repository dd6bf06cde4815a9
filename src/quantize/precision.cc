#include "normgraft/quantize/precision.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "normgraft/core/require.h"

namespace normgraft {

std::vector<std::string> number_kind_names() {
  return {"float32", "bfloat16", "float16", "w8a8", "w8a16"};
}

NumberKind number_kind_named(const std::string& name) {
  const std::vector<std::string> names = number_kind_names();
  for (size_t i = 0; i < names.size(); ++i) {
    if (name == names[i]) return static_cast<NumberKind>(i);
  }
  throw InputError(
      fmt::format("arithmetic \"{}\" is unknown, expected one of {}", name, fmt::join(names, ", ")));
}

std::string to_string(NumberKind kind) {
  return number_kind_names()[static_cast<size_t>(kind)];
}

std::string to_string(const Precision& format) {
  const std::string kind = to_string(format.kind);
  return format.integers() ? fmt::format("{}, stream int{}", kind, format.stream_bits) : kind;
}

void check(const Precision& format) {
  require(format.stream_bits == 8 || format.stream_bits == 16, "arithmetic", "stream", format.stream_bits,
          "8 or 16 bits");
  require(format.factor_bits >= 6 && format.factor_bits <= 15, "arithmetic", "factor", format.factor_bits,
          "6 to 15 bits");
}

}  // namespace normgraft
