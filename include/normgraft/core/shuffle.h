#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "normgraft/core/random.h"

namespace normgraft {

/// Puts the values in a random order (Fisher-Yates) that depends on the stream only.
template <typename T>
void shuffle(std::vector<T>& values, Random random) {
  for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
}

}  // namespace normgraft
