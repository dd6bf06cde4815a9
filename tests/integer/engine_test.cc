#include "normgraft/integer/engine.h"

#include <gtest/gtest.h>

#include "engine_support.h"
#include "support/input_error.h"

namespace normgraft {
namespace {

using testing::expect_agrees;
using testing::interpret_all;
using testing::random_codes;
using testing::random_integer_program;
using testing::random_pictures;

TEST(IntegerEngine, ComputesWhatTheInterpreterDoesOnEveryTarget) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random({seed});
    const IntegerProgram program = random_integer_program(random);
    expect_agrees(program, random_pictures(program, 1, random));
    if (HasFailure()) return;
  }
}

TEST(IntegerEngine, ComputesTheSameForAnyNumberOfThreadsAndPictures) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(seed);
    Random random({seed, 1});
    testing::IntegerShape shape;
    shape.height = shape.width = 33;
    const IntegerProgram program = random_integer_program(shape, random);
    const IntegerEngine engine(program);
    for (const size_t batch : {1, 5}) {
      const std::vector<int8_t> pictures = random_pictures(program, batch, random);
      const std::vector<int32_t> expected = interpret_all(program, pictures);
      for (const int threads : {1, 2, 4}) EXPECT_EQ(engine.run(pictures, threads), expected) << threads;
    }
  }
}

TEST(IntegerEngine, ComputesPicturesOfExtremeCodes) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    Random random({seed, 2});
    const IntegerProgram program = random_integer_program(random);
    std::vector<int8_t> pictures = random_codes(program, random);
    const size_t codes = pictures.size();
    pictures.insert(pictures.end(), codes, int8_t{-128});
    pictures.insert(pictures.end(), codes, int8_t{127});
    for (size_t i = 0; i < codes; ++i) pictures.push_back(random.below(2) == 0 ? -128 : 127);
    expect_agrees(program, pictures);
  }
}

TEST(IntegerEngine, ComputesPanelsThatAreFullAndPanelsThatAreNot) {
  for (const int64_t width : {15, 16, 17, 63, 64, 65, 80, 130}) {
    SCOPED_TRACE(width);
    Random random({static_cast<uint64_t>(width), 3});
    testing::IntegerShape shape;
    shape.depth = 1;
    shape.hidden = width;
    shape.classes = width + 1;
    shape.heads = 2;
    shape.channels = 2 * width;
    const IntegerProgram program = random_integer_program(shape, random);
    expect_agrees(program, random_pictures(program, 1, random));
  }
}

TEST(IntegerEngine, KeepsNothingOfAPictureForTheNext) {
  Random random({5});
  const IntegerProgram program = random_integer_program(random);
  const IntegerEngine engine(program);
  const std::vector<int8_t> first = random_codes(program, random), second = random_codes(program, random);
  const std::vector<int32_t> expected = engine.run(first);
  engine.run(second);
  EXPECT_EQ(engine.run(first), expected);
}

TEST(IntegerEngine, RefusesPicturesThatAreNotWholeAndNoThreads) {
  testing::Maker maker;
  const IntegerProgram program = maker.logits_of(maker.fill(1, 8, {1, 2}));
  const IntegerEngine engine(program);
  EXPECT_EQ(testing::input_error([&] { engine.run(std::vector<int8_t>(4)); }),
            "pictures: 4 codes, expected a multiple of 3, the codes of one picture");
  EXPECT_EQ(testing::input_error([&] { engine.run(std::vector<int8_t>(3), 0); }),
            "threads is 0, expected at least 1");
  EXPECT_TRUE(engine.run({}, 2).empty());
}

}  // namespace
}  // namespace normgraft
