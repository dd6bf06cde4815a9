#include "verilog_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>

namespace normgraft {

std::string with_words(std::string_view piece, const std::map<std::string, std::string>& words) {
  std::string text(piece);
  for (const auto& [name, word] : words) {
    const std::string pattern = "@" + name + "@";
    for (size_t at = 0; (at = text.find(pattern, at)) != std::string::npos; at += word.size())
      text.replace(at, pattern.size(), word);
  }
  return text;
}

int unsigned_bits(int64_t most) {
  return std::max(1, static_cast<int>(std::bit_width(static_cast<uint64_t>(most))));
}

std::string literal(int64_t v, int bits) {
  const uint64_t mask = bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  return fmt::format("{}'h{:x}", bits, static_cast<uint64_t>(v) & mask);
}

std::string resized(const std::string& wire, int from, int to) {
  if (to == from) return wire;
  if (to < from) return fmt::format("{}[{}:0]", wire, to - 1);
  return fmt::format("{{{{{}{{{}[{}]}}}}, {}}}", to - from, wire, from - 1, wire);
}

int64_t product_offset(int digits) {
  int64_t offset = 0;
  for (int i = 0; i < digits; ++i) offset = 4 * offset + 1;
  return offset;
}

int product_digits(int64_t least, int64_t most) {
  int digits = 1;
  // The upper digit is never -1, so that its carry needs no adder.
  while (most > 2 * product_offset(digits) || least < -product_offset(digits - 1)) ++digits;
  return digits;
}

RoundedCode rounded_code(const std::string& wire, int from, int shift, int to, bool floors) {
  RoundedCode made;
  std::string rounded = wire;
  int bits = from;
  if (shift > 0) {
    const int wide = std::max(from, shift + 1);
    const auto bit = [&](int i) { return fmt::format("{}[{}]", wire, std::min(i, from - 1)); };
    std::string value = shift < from ? fmt::format("{}[{}:{}]", wire, from - 1, shift) : bit(from - 1);
    bits = wide - shift;
    int unread = std::min(shift, from - 1);
    if (!floors) {
      // A bit more than the shift leaves, for what rounding may carry.
      ++bits;
      value =
          fmt::format("{{{}, {}}} + {{{}, {}}}", bit(from - 1), value, literal(0, bits - 1), bit(shift - 1));
      unread = std::min(shift, from) - 1;
    }
    made.text = fmt::format("  wire [{}:0] {}_rounded = {};\n", bits - 1, wire, value);
    rounded = wire + "_rounded";
    if (unread > 0) made.unused.push_back(fmt::format("{}[{}:0]", wire, unread - 1));
  }
  made.code = resized(rounded, bits, to);
  if (bits > to) {
    made.text += fmt::format("  wire fits = &{0}[{1}:{2}] | ~|{0}[{1}:{2}];\n", rounded, bits - 1, to - 1);
    made.code =
        fmt::format("fits ? {0}[{1}:0] : {{{0}[{2}], {{{1}{{~{0}[{2}]}}}}}}", rounded, to - 1, bits - 1);
  }
  return made;
}

std::string sink(const std::vector<std::string>& unused) {
  if (unused.empty()) return "";
  return fmt::format("  wire unused = &{{1'b0, {}}};\n", fmt::join(unused, ", "));
}

}  // namespace normgraft
