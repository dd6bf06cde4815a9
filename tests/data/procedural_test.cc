#include "normgraft/data/procedural.h"

#include <set>

#include "data/support.h"
#include "normgraft/data/folder.h"

namespace normgraft {
namespace {

uint64_t hash(const Image& image) {
  return fnv1a(std::as_bytes(std::span(image.rgb)));
}

TEST(Procedural, DrawsTheSamePictureOnEveryMachine) {
  const Image image = draw_procedural(4, 17, 1);
  EXPECT_EQ(image.width, 64);
  EXPECT_EQ(image.height, 64);
  EXPECT_EQ(hash(image), 9368179256738603700U);
}

TEST(Procedural, DrawsADifferentPictureForEveryClassIndexAndSeed) {
  std::set<uint64_t> hashes;
  for (int kind = 0; kind < kProceduralClasses; ++kind) {
    for (int64_t index : {0, 1, 2}) {
      for (uint64_t seed : {1, 2}) hashes.insert(hash(draw_procedural(kind, index, seed)));
    }
  }
  EXPECT_EQ(hashes.size(), kProceduralClasses * 6);
}

TEST(Procedural, ColoursDoNotGiveTheClassAway) {
  for (int kind = 0; kind < kProceduralClasses; ++kind) {
    double sum = 0.0;
    for (int64_t index = 0; index < 150; ++index) {
      for (uint8_t level : draw_procedural(kind, index, 3).rgb) sum += level;
    }
    EXPECT_NEAR(sum / (150 * 64 * 64 * 3), 127.5, 12.0) << procedural_class_name(kind);
  }
}

TEST(Procedural, WritesAFolderOfItsPictures) {
  TemporaryFolder folder;
  write_procedural_set(folder / "set", 3, 9, silent_monitor());
  const PictureFolder found = open_picture_folder(folder / "set", nullptr, silent_monitor());
  ASSERT_EQ(found.classes.size(), kProceduralClasses);
  ASSERT_EQ(found.pictures.size(), kProceduralClasses * 3);
  EXPECT_EQ(found.classes[0], "00-disc");
  for (size_t i = 0; i < found.pictures.size(); ++i) {
    EXPECT_EQ(found.pictures[i].label, static_cast<int64_t>(i / 3));
    const Image expected = draw_procedural(static_cast<int>(i / 3), static_cast<int64_t>(i % 3), 9);
    EXPECT_EQ(decode_image(found.pictures[i].path).rgb, expected.rgb);
  }
}

TEST(Procedural, StopsWhenAsked) {
  struct Stopped : Monitor {
    bool stopped() const override { return true; }
  } monitor;
  TemporaryFolder folder;
  EXPECT_THROW(write_procedural_set(folder / "set", 3, 9, monitor), Interrupted);
}

}  // namespace
}  // namespace normgraft
