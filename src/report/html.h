#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "normgraft/core/files.h"

namespace normgraft {

/// Text for an element or a quoted attribute; control characters, which no HTML may hold, become spaces.
std::string escape_html(std::string_view text);

/// `value` with a fixed number of digits, "–" where it is not finite; never "-0".
std::string format_fixed(double value, int digits);

/// A share in percent ("72.1"), "–" where it is not finite.
std::string format_percent(double share, int digits = 1);

/// At most `digits` significant digits without trailing zeros ("2.5", "1200"), "–" where it is not finite.
std::string format_short(double value, int digits = 4);

/// A count with thin spaces between thousands.
std::string format_count(int64_t count);

/// "8.4 s", "3 min 07 s", "2 h 05 min".
std::string format_seconds(double seconds);

/// The finite number under a key of an object; nothing where it is missing or something else.
std::optional<double> number_at(const Json& object, const std::string& key);

/// The text under a key of an object; empty where it is missing or something else.
std::string text_at(const Json& object, const std::string& key);

/// One entry of a legend: how the sign looks ("line", "thick", "dash", "dot", "ring", "cross", "band") in
/// which colour class.
struct LegendEntry {
  std::string sign;
  std::string css;
  std::string label;
};

/// A row of signs and labels.
std::string render_legend(const std::vector<LegendEntry>& entries);

}  // namespace normgraft
