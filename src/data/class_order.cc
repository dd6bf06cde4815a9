#include "class_order.h"

#include <algorithm>
#include <compare>

namespace normgraft {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Takes the leading characters that are digits, or that are none, off the text.
std::string_view take_run(std::string_view& text, bool of_digits) {
  const auto end = std::find_if(text.begin(), text.end(), [&](char c) { return is_digit(c) != of_digits; });
  const std::string_view run(text.data(), static_cast<size_t>(end - text.begin()));
  text.remove_prefix(run.size());
  return run;
}

/// Digits by their value; a name that has none here comes first.
std::weak_ordering compare_numbers(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return !a.empty() <=> !b.empty();
  const auto significant = [](std::string_view& number) {
    number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
  };
  significant(a);
  significant(b);
  return a.size() != b.size() ? a.size() <=> b.size() : std::weak_ordering(a <=> b);
}

std::weak_ordering compare_words(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return static_cast<unsigned char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  };
  return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end(),
                                                [&](char x, char y) { return lower(x) <=> lower(y); });
}

}  // namespace

bool comes_before(std::string_view a, std::string_view b) {
  std::string_view rest_a = a, rest_b = b;
  for (bool digits = false; !rest_a.empty() || !rest_b.empty(); digits = !digits) {
    const std::string_view run_a = take_run(rest_a, digits), run_b = take_run(rest_b, digits);
    const auto order = digits ? compare_numbers(run_a, run_b) : compare_words(run_a, run_b);
    if (order != 0) return order < 0;
  }
  return a < b;
}

}  // namespace normgraft
