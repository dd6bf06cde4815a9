#include "normgraft/data/split.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "data/support.h"

namespace normgraft {
namespace {

std::vector<Picture> pictures_named(const std::string& root, int from, int to) {
  std::vector<Picture> pictures;
  for (int i = from; i < to; ++i)
    pictures.push_back({Path(root) / fmt::format("class{}/{}.png", i % 3, i), i % 3});
  return pictures;
}

std::set<std::string> names(const std::vector<Picture>& pictures) {
  std::set<std::string> result;
  for (const Picture& p : pictures)
    result.insert((p.path.parent_path().filename() / p.path.filename()).string());
  return result;
}

bool share_none(const std::vector<Picture>& a, const std::vector<Picture>& b) {
  const std::set<std::string> known = names(a);
  for (const std::string& name : names(b)) {
    if (known.contains(name)) return false;
  }
  return true;
}

TEST(SplitPictures, GivesEveryPictureOnePurpose) {
  const auto pictures = pictures_named("/a", 0, 200);
  const PictureSplit split = split_pictures(pictures);
  EXPECT_EQ(split.choose.size(), 30U);
  EXPECT_EQ(split.report.size(), 10U);
  EXPECT_EQ(split.fit.size(), 160U);
  EXPECT_TRUE(share_none(split.fit, split.choose));
  EXPECT_TRUE(share_none(split.fit, split.report));
  EXPECT_TRUE(share_none(split.choose, split.report));
}

TEST(SplitPictures, DependsOnNamesAndNotOnTheirOrderOrTheirTree) {
  const auto here = pictures_named("/a", 0, 60);
  auto there = pictures_named("/elsewhere/b", 0, 60);
  std::reverse(there.begin(), there.end());
  EXPECT_EQ(names(split_pictures(here).choose), names(split_pictures(there).choose));
  EXPECT_EQ(names(split_pictures(here).report), names(split_pictures(there).report));
}

TEST(SplitPictures, KeepsAtMost128ToChooseByAnd64ToReportOn) {
  const PictureSplit split = split_pictures(pictures_named("/a", 0, 5000));
  EXPECT_EQ(split.choose.size(), 128U);
  EXPECT_EQ(split.report.size(), 64U);
}

TEST(SplitPictures, RefusesTwoPicturesAndMakesDoWithThree) {
  EXPECT_TRUE(
      mentions(input_error([] { split_pictures(pictures_named("/a", 0, 2)); }), "expected at least 3"));
  const PictureSplit split = split_pictures(pictures_named("/a", 0, 3));
  EXPECT_EQ(split.fit.size(), 2U);
  EXPECT_TRUE(split.choose.empty());
  EXPECT_EQ(names(split.judges()), names(split.report));
  EXPECT_EQ(split.report.size(), 1U);
}

TEST(SplitAsRecorded, KeepsThePartOfEveryPictureThatIsKnown) {
  const auto pictures = pictures_named("/a", 0, 200);
  const PictureSplit first = split_pictures(pictures);
  const PictureSplit again = split_as_recorded(pictures_named("/copy", 0, 200), to_json(first), 0.3);
  EXPECT_EQ(names(again.fit), names(first.fit));
  EXPECT_EQ(names(again.choose), names(first.choose));
  EXPECT_EQ(names(again.report), names(first.report));
}

TEST(SplitAsRecorded, NeverChoosesByWhatWasFittedNorFitsToWhatWasKeptApart) {
  const PictureSplit first = split_pictures(pictures_named("/a", 0, 200));
  const PictureSplit larger = split_as_recorded(pictures_named("/a", 0, 1000), to_json(first), 0.1);
  EXPECT_EQ(larger.choose.size(), 100U);
  EXPECT_EQ(larger.report.size(), 34U);
  EXPECT_EQ(larger.fit.size(), 866U);
  EXPECT_TRUE(share_none(larger.choose, first.fit));
  EXPECT_TRUE(share_none(larger.report, first.fit));
  EXPECT_TRUE(share_none(larger.fit, first.choose));
  EXPECT_TRUE(share_none(larger.fit, first.report));
}

TEST(SplitAsRecorded, RefusesWhatIsNoSplit) {
  const auto pictures = pictures_named("/a", 0, 20);
  EXPECT_TRUE(mentions(input_error([&] { split_as_recorded(pictures, Json{{"choose", 3}}); }), "split"));
  const Json nothing_apart{{"fit", Json::array()}, {"choose", Json::array()}, {"report", Json::array()}};
  EXPECT_TRUE(mentions(input_error([&] { split_as_recorded(pictures, nothing_apart); }), "to choose by"));
}

}  // namespace
}  // namespace normgraft
