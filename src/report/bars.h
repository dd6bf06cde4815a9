#pragma once

#include <span>
#include <string>

namespace normgraft {

/// A bar that starts at zero.
struct Bar {
  std::string name;
  std::string css;   ///< its colour
  double value = 0;  ///< at least 0, finite
};

/// Bars below one another, each with its name and number. A screen reader says the title and all numbers.
std::string draw_bars(const std::string& title, std::span<const Bar> bars);

}  // namespace normgraft
