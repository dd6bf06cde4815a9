#include "normgraft/core/require.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>

namespace normgraft {
namespace {

template <typename Check>
std::string message(Check check) {
  try {
    check();
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Require, SaysNothingWhereItHolds) {
  EXPECT_EQ(message([] { require(true, "realign", "rate", 0.5, "a number in (0, 10)"); }), "accepted");
  EXPECT_EQ(message([] { require_within("evolve", "seeds", 1, 1, 1000); }), "accepted");
  EXPECT_EQ(message([] { require_within("evolve", "seconds", 1e9, 0.0, 1e9); }), "accepted");
}

TEST(Require, NamesStageFieldValueAndRange) {
  EXPECT_EQ(message([] { require(false, "realign", "rate", 12.25, "a number in (0, 10)"); }),
            "realign: rate is 12.25, expected a number in (0, 10)");
  EXPECT_EQ(message([] { require(false, "data", "crop_mode", "left", "center or squash"); }),
            "data: crop_mode is left, expected center or squash");
}

TEST(Require, PrintsIntegersAsIntegers) {
  EXPECT_EQ(message([] { require(false, "calibrate", "probes", int64_t{9007199254740993}, "1 to 1000"); }),
            "calibrate: probes is 9007199254740993, expected 1 to 1000");
  EXPECT_EQ(message([] { require_within("evolve", "population", 7, 8, 100'000); }),
            "evolve: population is 7, expected 8 to 100000");
}

TEST(Require, TakesNanForOutsideEveryRange) {
  EXPECT_EQ(message([] { require_within("evolve", "seconds", std::nan(""), 0.0, 1e9); }),
            "evolve: seconds is nan, expected 0 to 1000000000");
}

}  // namespace
}  // namespace normgraft
