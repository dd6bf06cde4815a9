#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace normgraft {

/// What neither the tensors nor the config of a checkpoint may say. Unset values are deduced and announced as
/// notices.
struct ModelOptions {
  std::optional<int64_t> heads = {};
  std::optional<double> eps = {};
  std::optional<std::string> activation = {};
  std::optional<std::array<int64_t, 2>> input_size = {};  ///< height, width; positions are resampled to it
};

}  // namespace normgraft
