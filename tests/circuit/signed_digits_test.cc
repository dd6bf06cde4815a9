#include "normgraft/circuit/signed_digits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace normgraft {
namespace {

int64_t sum(const std::vector<SignedDigit>& digits) {
  int64_t total = 0;
  for (const SignedDigit& digit : digits) total += digit.sign * (int64_t{1} << digit.exponent);
  return total;
}

/// How few powers of two with signs sum to each number up to `most`, by breadth-first search.
std::map<int64_t, size_t> fewest_up_to(int64_t most) {
  std::map<int64_t, size_t> fewest{{0, 0}};
  std::vector<int64_t> front{0};
  for (size_t count = 1; !front.empty() && count < 8; ++count) {
    std::vector<int64_t> next;
    for (const int64_t v : front) {
      for (int64_t power = 1; power <= 2 * most; power *= 2) {
        for (const int64_t w : {v + power, v - power}) {
          if (std::abs(w) <= 2 * most && fewest.emplace(w, count).second) next.push_back(w);
        }
      }
    }
    front = next;
  }
  return fewest;
}

TEST(SignedDigits, SumToTheNumberAndAreTheFewestWithoutNeighbours) {
  const auto fewest = fewest_up_to(600);
  for (int64_t v = -600; v <= 600; ++v) {
    const std::vector<SignedDigit> digits = signed_digits(v);
    EXPECT_EQ(sum(digits), v);
    EXPECT_EQ(digits.size(), fewest.at(v)) << v;
    for (size_t i = 1; i < digits.size(); ++i) EXPECT_GT(digits[i - 1].exponent, digits[i].exponent + 1) << v;
  }
}

TEST(ShortFactor, LeavesNoMoreThanAskedWithFewDigits) {
  for (const double value : {0.0, 1.0, -0.7071, 3.14159, 1e-4, -12345.678, 0.499999}) {
    for (const double error : {0.3, 0.01, 1e-6}) {
      const ShortFactor found = short_factor(value, error);
      EXPECT_LE(std::abs(std::ldexp(static_cast<double>(found.factor), -found.fraction) - value), error);
      EXPECT_GE(found.fraction, 0);
    }
  }
  EXPECT_EQ(signed_digits(short_factor(0.499999, 1e-3).factor).size(), 1u);
  EXPECT_EQ(signed_digits(short_factor(0.74, 0.02).factor).size(), 2u);
}

}  // namespace
}  // namespace normgraft
