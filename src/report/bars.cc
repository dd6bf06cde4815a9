#include "bars.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "html.h"

namespace normgraft {
namespace {

constexpr double kLong = 1e4;  ///< from here on numbers are whole, with spaces between thousands

std::string shown(double value) {
  return value < kLong ? format_short(value) : format_count(std::llround(value));
}

std::string said(const std::string& title, std::span<const Bar> bars) {
  std::string text = title;
  for (size_t i = 0; i < bars.size(); ++i)
    text += fmt::format("{} {} {}", i == 0 ? ":" : ";", bars[i].name, shown(bars[i].value));
  return escape_html(text);
}

}  // namespace

std::string draw_bars(const std::string& title, std::span<const Bar> bars) {
  constexpr double kWidth = 360, kRow = 26, kLeft = 122, kRoom = 170;
  double largest = 0;
  for (const Bar& bar : bars) largest = std::max(largest, bar.value);
  const double height = kRow * static_cast<double>(bars.size()) + 4;
  std::string out = fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" "
      "aria-label=\"{2}\">\n",
      kWidth, height, said(title, bars));
  for (size_t i = 0; i < bars.size(); ++i) {
    const double value = bars[i].value, middle = kRow * (static_cast<double>(i) + 0.5) + 2;
    const double length = largest > 0 ? kRoom * value / largest : 0;
    out += fmt::format("<text class=\"stage\" x=\"0\" y=\"{:.1f}\">{}</text>\n", middle + 4,
                       escape_html(bars[i].name));
    out += fmt::format(
        "<rect class=\"area bar {}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"18\" rx=\"2\"/>\n",
        bars[i].css, kLeft, middle - 9, length);
    out += fmt::format("<text class=\"value\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", kLeft + length + 6,
                       middle + 4, shown(value));
  }
  return out + "</svg>\n";
}

}  // namespace normgraft
