#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace normgraft {

/// Splits items, in the order of their increasing `position`, into at most `count` runs, about half of the
/// splits by equal mass and half by equal width. Returns the first item of each run; the first is 0. There
/// must be at least one item; with no more items than `count`, each is a run of its own.
std::vector<size_t> group_items(std::span<const double> mass, std::span<const double> position, size_t count);

}  // namespace normgraft
