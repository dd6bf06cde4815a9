#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "normgraft/integer/program.h"

namespace normgraft {

/// A piece with @name@ replaced by its word.
std::string with_words(std::string_view piece, const std::map<std::string, std::string>& words);

/// How many bits hold every number from 0 to most.
int unsigned_bits(int64_t most);

/// v in so many bits, as a literal: 12'hfff for -1.
std::string literal(int64_t v, int bits);

/// A signed wire of `from` bits, or its lower part, as one of `to` bits.
std::string resized(const std::string& wire, int from, int to);

/// The fewest digits of 4 with which normgraft_product multiplies by every number from least to most.
int product_digits(int64_t least, int64_t most);
/// What is added to a number so that the digits of the sum, each less 1, are the number's: 1 + 4 + 16 + ...
int64_t product_offset(int digits);

/// A number as a code.
struct RoundedCode {
  std::string text;  ///< declarations
  std::string code;  ///< clamp(round_shift(number, shift)), or clamp(number >> shift); an expression
  std::vector<std::string> unused;
};

/// Of a signed wire of `from` bits, a code of `to` bits.
RoundedCode rounded_code(const std::string& wire, int from, int shift, int to, bool floors = false);

/// A wire that takes what nothing reads; linters leave it alone for its name.
std::string sink(const std::vector<std::string>& unused);

}  // namespace normgraft
