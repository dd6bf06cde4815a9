#include "c_names.h"

#include <fmt/format.h>

#include <algorithm>

namespace normgraft {
namespace {

constexpr size_t kLongest = 60;  // C99 tells apart the first 63 characters

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

std::string CNames::unique(std::string_view prefix, std::string_view text) {
  std::string name(prefix);
  for (const char c : text) name += is_plain(c) ? c : '_';
  name.resize(std::min(name.size(), kLongest));
  std::string unique = name;
  for (int count = 2; !taken_.insert(unique).second; ++count) {
    const std::string number = fmt::format("_{}", count);
    unique = name.substr(0, kLongest - number.size()) + number;
  }
  return unique;
}

std::string c_comment(std::string_view text) {
  std::string comment(text);
  for (char& c : comment) {
    if (!is_plain(c) && std::string_view("._- ,").find(c) == std::string_view::npos) c = '_';
  }
  return comment;
}

std::string c_string(std::string_view text) {
  std::string literal = "\"";
  for (const char c : text) {
    if (is_plain(c) || c == ' ' || c == ',' || c == '.' || c == '_' || c == '-') {
      literal += c;
    } else {
      literal += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    }
  }
  return literal + '"';
}

}  // namespace normgraft
