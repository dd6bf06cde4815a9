#include <gtest/gtest.h>

#include <set>

#include "normgraft/integer/interpreter.h"
#include "support/integer_programs.h"

namespace normgraft {
namespace {

TEST(IntegerPrograms, AtRandomAreCheckedAndProved) {
  for (uint64_t i = 0; i < 200; ++i) {
    Random random({31, i});
    const IntegerProgram program = testing::random_integer_program(random);
    ASSERT_NO_THROW(check(program)) << i;
    ASSERT_NO_THROW(prove_no_overflow(program)) << i;
  }
}

/// Otherwise a comparison of two engines on them would say little.
TEST(IntegerPrograms, AtRandomAnswerDifferentPicturesDifferently) {
  size_t different = 0;
  for (uint64_t i = 0; i < 50; ++i) {
    Random random({31, i});
    const IntegerProgram program = testing::random_integer_program(random);
    const auto a = interpret(program, testing::random_codes(program, random));
    const auto b = interpret(program, testing::random_codes(program, random));
    different += a != b;
  }
  EXPECT_GT(different, 40U);
}

}  // namespace
}  // namespace normgraft
