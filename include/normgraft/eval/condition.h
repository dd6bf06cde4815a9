#pragma once

#include <cstdint>
#include <string>

namespace normgraft {

/// What befalls a picture before a model sees it. LayerNorm takes away the scale of its input, which contrast
/// and blur change; a scalar function does not.
enum class Condition : uint8_t {
  kPlain,     ///< nothing
  kContrast,  ///< every value half as far from the picture's mean luma
  kBlur,      ///< a Gaussian, sigma 2 pixels at a height of 224 and in proportion at others, edges replicated
};

/// "plain", "contrast" or "blur"; throws InputError naming these.
Condition condition_named(const std::string& name);
std::string to_string(Condition condition);

}  // namespace normgraft
