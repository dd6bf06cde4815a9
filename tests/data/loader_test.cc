#include "normgraft/data/loader.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "data/notices.h"
#include "data/support.h"
#include "normgraft/data/image.h"

namespace normgraft {
namespace {

constexpr int kReds = 7;

class LoaderTest : public testing::Test {
 protected:
  /// `count` pictures of one pixel whose red is the position, modulo kReds.
  void make_pictures(int count) {
    for (int i = 0; i < count; ++i) {
      const Path path = folder_ / fmt::format("{:04}.png", i);
      if (i < kReds) {
        write_png(path, {1, 1, {static_cast<uint8_t>(i), 0, 0}});
      } else {
        std::filesystem::copy_file(pictures_[static_cast<size_t>(i % kReds)].path, path);
      }
      pictures_.push_back({path, i * 3});
    }
  }
  void spoil(int position) { write_bytes(pictures_[static_cast<size_t>(position)].path, "spoilt"); }

  /// Pixels are the red, the position and 0.5; later pictures of a group of four are faster than earlier
  /// ones.
  static void transform(const Image& image, int64_t position, std::span<float> chw) {
    std::this_thread::sleep_for(std::chrono::microseconds(300 - 100 * (position % 4)));
    chw[0] = image.rgb[0];
    chw[1] = static_cast<float>(position);
    chw[2] = 0.5F;
  }
  Loader load(const LoaderOptions& options) { return {pictures_, transform, 1, 1, options, notices_}; }

  std::vector<Batch> all(const LoaderOptions& options) {
    Loader loader = load(options);
    std::vector<Batch> batches;
    while (auto batch = loader.next()) batches.push_back(std::move(*batch));
    return batches;
  }

  TemporaryFolder folder_;
  std::vector<Picture> pictures_;
  Notices notices_;
};

TEST_F(LoaderTest, HandsOutEveryPictureInOrder) {
  make_pictures(50);
  const std::vector<Batch> batches = all({.batch = 8, .threads = 4, .prefetch = 2});
  ASSERT_EQ(batches.size(), 7);
  int64_t expected = 0;
  for (const Batch& batch : batches) {
    EXPECT_EQ(batch.size(), expected == 48 ? 2 : 8);
    for (size_t i = 0; i < batch.labels.size(); ++i, ++expected) {
      EXPECT_EQ(batch.indices[i], expected);
      EXPECT_EQ(batch.labels[i], expected * 3);
      EXPECT_EQ(batch.pixels[i * 3], static_cast<float>(expected % kReds));
      EXPECT_EQ(batch.pixels[i * 3 + 1], static_cast<float>(expected));
      EXPECT_EQ(batch.pixels[i * 3 + 2], 0.5F);
    }
  }
  EXPECT_EQ(expected, 50);
}

TEST_F(LoaderTest, GivesTheSameBatchesForAnyNumberOfThreads) {
  make_pictures(210);
  spoil(5);
  spoil(77);
  const std::vector<Batch> one = all({.batch = 16, .threads = 1, .prefetch = 1});
  const std::vector<std::string> notices = std::exchange(notices_.lines, {});
  const std::vector<Batch> many = all({.batch = 16, .threads = 7, .prefetch = 3});
  ASSERT_EQ(one.size(), many.size());
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].pixels, many[i].pixels);
    EXPECT_EQ(one[i].indices, many[i].indices);
    EXPECT_EQ(one[i].labels, many[i].labels);
  }
  EXPECT_EQ(notices, notices_.lines);
}

TEST_F(LoaderTest, NamesCountsAndLeavesOutUnreadablePicturesWithoutAHole) {
  make_pictures(200);
  spoil(3);
  spoil(199);
  Loader loader = load({.batch = 10, .threads = 2});
  const Batch first = loader.next().value();
  EXPECT_EQ(first.indices, (std::vector<int64_t>{0, 1, 2, 4, 5, 6, 7, 8, 9, 10}));
  int64_t count = first.size();
  while (auto batch = loader.next()) count += batch->size();
  EXPECT_EQ(count, 198);
  EXPECT_EQ(loader.skipped(), 2);
  ASSERT_EQ(notices_.lines.size(), 2);
  EXPECT_TRUE(mentions(notices_.lines[0], "0003.png"));
  EXPECT_TRUE(mentions(notices_.lines[1], "0199.png"));
}

TEST_F(LoaderTest, RefusesAListOfWhichMoreThanOnePercentIsUnreadable) {
  make_pictures(200);
  for (int position : {10, 20, 30}) spoil(position);
  Loader loader = load({.batch = 10, .threads = 2});
  const std::string message = input_error([&] {
    while (loader.next()) {
    }
  });
  EXPECT_TRUE(mentions(message, "3 of 200 pictures"));
  EXPECT_TRUE(mentions(message, "0030.png"));
}

TEST_F(LoaderTest, RefusesAShortListOfWhichOneIsUnreadable) {
  make_pictures(4);
  spoil(2);
  Loader loader = load({.batch = 10});
  EXPECT_TRUE(mentions(input_error([&] { loader.next(); }), "1 of 4 pictures"));
}

TEST_F(LoaderTest, PassesOnWhatTheTransformThrowsWhereItHappened) {
  make_pictures(20);
  const Transform failing = [](const Image&, int64_t position, std::span<float>) {
    if (position == 12) throw std::runtime_error("position 12");
  };
  Loader loader(pictures_, failing, 1, 1, {.batch = 10, .threads = 3}, notices_);
  EXPECT_EQ(loader.next().value().size(), 10);
  EXPECT_THROW(loader.next(), std::runtime_error);
}

TEST_F(LoaderTest, NeverRunsFurtherAheadThanItsPrefetch) {
  make_pictures(100);
  std::atomic<int64_t> furthest = 0;
  const Transform counting = [&](const Image&, int64_t position, std::span<float>) {
    for (int64_t seen = furthest; seen < position && !furthest.compare_exchange_weak(seen, position);) {
    }
  };
  Loader loader(pictures_, counting, 1, 1, {.batch = 5, .threads = 4, .prefetch = 2}, notices_);
  for (int64_t taken = 0; taken < 100; taken += 5) {
    EXPECT_LT(furthest, taken + 10);
    ASSERT_EQ(loader.next().value().size(), 5);
  }
}

TEST_F(LoaderTest, StopsWhenDroppedInTheMiddle) {
  make_pictures(100);
  std::atomic<int> made = 0;
  const Transform counting = [&](const Image&, int64_t, std::span<float>) { ++made; };
  {
    Loader loader(pictures_, counting, 1, 1, {.batch = 4, .threads = 3, .prefetch = 2}, notices_);
    ASSERT_TRUE(loader.next());
  }
  EXPECT_LE(made, 12);
}

TEST_F(LoaderTest, HasNothingForAnEmptyList) {
  EXPECT_FALSE(load({}).next());
}

TEST_F(LoaderTest, RefusesWrongOptions) {
  EXPECT_TRUE(mentions(input_error([&] { load({.batch = 0}); }), "batch is 0, expected at least 1"));
  EXPECT_TRUE(mentions(input_error([&] { load({.threads = -1}); }), "threads is -1"));
  EXPECT_TRUE(mentions(input_error([&] { load({.prefetch = 0}); }), "prefetch is 0"));
}

}  // namespace
}  // namespace normgraft
