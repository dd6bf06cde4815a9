#pragma once

#include <cstdint>
#include <string>

namespace normgraft {

/// What is done to a picture before a model sees it. Contrast and blur change the scale of a token. LayerNorm
/// divides by this scale, and a scalar function cannot: here a graft may be weaker than its teacher.
enum class Condition : uint8_t {
  kPlain,     ///< nothing
  kContrast,  ///< every value half as far from the picture's mean luma
  kBlur,      ///< a Gaussian, sigma 2 pixels at a height of 224 and in proportion at others, edges replicated
};

/// "plain", "contrast" or "blur"; throws InputError naming these.
Condition condition_named(const std::string& name);
std::string to_string(Condition condition);

}  // namespace normgraft
