#include "html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace normgraft {

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  return out;
}

std::string format_fixed(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  std::string text = fmt::format("{:.{}f}", value, digits);
  const bool is_zero = text.find_first_of("123456789") == std::string::npos;
  if (is_zero && text.front() == '-') text.erase(0, 1);
  if (text.front() == '-') text.replace(0, 1, "−");
  return text;
}

std::string format_percent(double share, int digits) {
  return format_fixed(100 * share, digits);
}

std::string format_short(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  std::string text = fmt::format("{:.{}g}", value == 0 ? 0.0 : value, digits);
  if (text.front() == '-') text.replace(0, 1, "−");
  return text;
}

std::string format_count(int64_t count) {
  std::string text = std::to_string(count);
  for (std::ptrdiff_t at = std::ssize(text) - 3; at > (count < 0 ? 1 : 0); at -= 3) {
    text.insert(static_cast<size_t>(at), "\u202f");
  }
  return text;
}

std::string format_seconds(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "–";
  if (seconds < 99.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(std::min(std::round(seconds), 1e12));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::optional<double> number_at(const Json& object, const std::string& key) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const double value = found->get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::string text_at(const Json& object, const std::string& key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string render_legend(const std::vector<LegendEntry>& entries) {
  std::string out = "<div class=\"legend\">";
  for (const LegendEntry& entry : entries) {
    std::string sign;
    if (entry.sign == "line") {
      sign = "<line class=\"line\" x1=\"1\" y1=\"6\" x2=\"21\" y2=\"6\"/>";
    } else if (entry.sign == "thick") {
      sign = "<line class=\"line thick\" x1=\"1\" y1=\"6\" x2=\"21\" y2=\"6\"/>";
    } else if (entry.sign == "dash") {
      sign = "<line class=\"line dash\" x1=\"1\" y1=\"6\" x2=\"21\" y2=\"6\"/>";
    } else if (entry.sign == "band") {
      sign = "<rect class=\"area\" x=\"1\" y=\"1\" width=\"20\" height=\"10\"/>";
    } else if (entry.sign == "cross") {
      sign = "<path class=\"line\" d=\"M7.5 2.5l7 7m0 -7l-7 7\"/>";
    } else {
      sign = fmt::format("<circle class=\"{}\" cx=\"11\" cy=\"6\" r=\"4\"/>", entry.sign);
    }
    out += fmt::format(
        "<span class=\"{}\"><svg width=\"22\" height=\"12\" aria-hidden=\"true\">{}</svg>{}</span>",
        entry.css, sign, escape_html(entry.label));
  }
  return out + "</div>\n";
}

}  // namespace normgraft
