#include "normgraft/core/monitor.h"

#include <gtest/gtest.h>

#include "normgraft/core/require.h"

namespace normgraft {
namespace {

struct Switch : Monitor {
  bool stopped() const override { return on; }
  bool on = false;
};

TEST(Monitor, CheckThrowsOnceAStopIsAskedFor) {
  Switch monitor;
  EXPECT_NO_THROW(monitor.check());
  monitor.on = true;
  EXPECT_THROW(monitor.check(), Interrupted);
  EXPECT_NO_THROW(silent_monitor().check());
}

TEST(Require, NamesStageFieldValueAndRangeWhereItDoesNotHold) {
  EXPECT_NO_THROW(require(true, "search", "population", 7, "8 to 100"));
  try {
    require(false, "search", "population", 7, "8 to 100");
    FAIL() << "nothing was refused";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "search: population is 7, expected 8 to 100");
  }
}

}  // namespace
}  // namespace normgraft
