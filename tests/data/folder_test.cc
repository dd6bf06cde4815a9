#include "normgraft/data/folder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "data/notices.h"
#include "data/support.h"
#include "normgraft/core/random.h"
#include "normgraft/data/image.h"
#include "normgraft/data/loader.h"

namespace normgraft {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

class Folder : public testing::Test {
 protected:
  void touch(const std::string& name) {
    fs::create_directories((folder_ / name).parent_path());
    write_bytes(folder_ / name, "content");
  }
  void link(const std::string& name, const Path& target) {
    fs::create_directories((folder_ / name).parent_path());
    fs::create_symlink(target, folder_ / name);
  }
  PictureFolder open(const ClassList* classes = nullptr) {
    return open_picture_folder(folder_.path(), classes, notices_);
  }
  Names names(const PictureFolder& found) {
    Names names;
    for (const Picture& picture : found.pictures)
      names.push_back(picture.path.lexically_relative(folder_.path()));
    return names;
  }
  std::vector<int64_t> labels(const PictureFolder& found) {
    std::vector<int64_t> labels;
    for (const Picture& picture : found.pictures) labels.push_back(picture.label);
    return labels;
  }
  std::string open_error(const Path& root, const ClassList* classes = nullptr) {
    return input_error([&] { open_picture_folder(root, classes, notices_); });
  }
  /// The one notice, without the folder that it names.
  std::string notice() {
    if (notices_.lines.size() != 1) return fmt::format("{} notices", notices_.lines.size());
    const std::string start = fmt::format("pictures in {}: ", folder_.path().string());
    EXPECT_TRUE(notices_.lines[0].starts_with(start)) << notices_.lines[0];
    return notices_.lines[0].substr(start.size());
  }

  TemporaryFolder folder_;
  Notices notices_;
};

TEST_F(Folder, ListsPicturesOfEveryFormatSortedAndSaysNothingWhenThatIsAll) {
  for (const char* name : {"b/2.jpg", "b/10.JPEG", "a/x.png", "c/y.PNG", "c/a.WebP", "c/b.tif", "c/c.tiff",
                           "c/d.bmp", "c/e.ppm", "c/f.pgm"}) {
    touch(name);
  }
  const PictureFolder found = open();
  EXPECT_EQ(found.classes, (Names{"a", "b", "c"}));
  EXPECT_EQ(names(found), (Names{"a/x.png", "b/10.JPEG", "b/2.jpg", "c/a.WebP", "c/b.tif", "c/c.tiff",
                                 "c/d.bmp", "c/e.ppm", "c/f.pgm", "c/y.PNG"}));
  EXPECT_EQ(labels(found), (std::vector<int64_t>{0, 1, 1, 2, 2, 2, 2, 2, 2, 2}));
  EXPECT_TRUE(notices_.lines.empty());
}

TEST_F(Folder, CountsWhatItPassesOverByReasonInOneLine) {
  for (const char* name : {"a/x.png", "a/notes.txt", "a/more.TXT", "a/anim.gif", "a/README", "a/.hidden.png",
                           "a/.cache/y.png", ".git/z.png", ".DS_Store", "labels.csv", "top.png", "b/y.png"}) {
    touch(name);
  }
  ASSERT_EQ(mkfifo((folder_ / "b/pipe.png").c_str(), 0600), 0);
  const PictureFolder found = open();
  EXPECT_EQ(found.classes, (Names{"a", "b"}));
  EXPECT_EQ(names(found), (Names{"a/x.png", "b/y.png"}));
  EXPECT_EQ(notice(),
            "passed over 2 hidden files, 2 hidden folders, 2 files beside the class folders, "
            "5 files that are no pictures (.gif, .png, .txt, no extension)");
}

TEST_F(Folder, GivesDeeperPicturesToTheClassOfTheirTopFolder) {
  for (const char* name : {"a/x.png", "a/sub/y.png", "b/sub/deep/z.png"}) touch(name);
  const PictureFolder found = open();
  EXPECT_EQ(names(found), (Names{"a/sub/y.png", "a/x.png", "b/sub/deep/z.png"}));
  EXPECT_EQ(labels(found), (std::vector<int64_t>{0, 0, 1}));
  EXPECT_EQ(notice(), "2 pictures lie deeper and belong to the classes of their top folders");
}

TEST_F(Folder, KeepsTheRankOfAFolderWithoutPictures) {
  touch("a/x.png");
  touch("b/notes.txt");
  touch("c/x.png");
  const PictureFolder found = open();
  EXPECT_EQ(found.classes, (Names{"a", "b", "c"}));
  EXPECT_EQ(labels(found), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(notice(),
            "passed over 1 file that is no picture (.txt); 1 folder without pictures stays a class (b)");
}

TEST_F(Folder, NumbersClassesInNaturalOrderAndSaysSo) {
  for (const char* name : {"c10/x.png", "C2/x.png", "c1/x.png"}) touch(name);
  EXPECT_EQ(open().classes, (Names{"c1", "C2", "c10"}));
  EXPECT_EQ(notice(),
            "classes are numbered in natural order as by timm (c1 before C2), not by sorted names as by "
            "torchvision");
}

TEST_F(Folder, NumbersClassesAsAnIndependentNaturalSortDoes) {
  Random random{7};
  std::set<std::string> made;
  while (made.size() < 300) {
    std::string name;
    for (uint64_t length = 1 + random.below(6); name.size() < length;)
      name += "aAbBz019-_ 0"[random.below(12)];
    if (made.insert(name).second) touch(name + "/x.png");
  }
  const Path from = folder_ / ".names.json", to = folder_ / ".sorted.json";
  write_json(from, Json(made));
  const std::string script = NORMGRAFT_SOURCE_DIR "/tests/data/class_order_oracle.py";
  ASSERT_EQ(
      std::system(fmt::format("/usr/bin/python3 '{}' '{}' '{}'", script, from.string(), to.string()).c_str()),
      0);
  EXPECT_EQ(open().classes, read_json(to, "sorted names").get<Names>());
}

TEST_F(Folder, FollowsLinksToFilesAndFolders) {
  touch("outside/.keep");
  TemporaryFolder elsewhere;
  fs::create_directories(elsewhere / "n01/sub");
  write_bytes(elsewhere / "n01/1.png", "content");
  write_bytes(elsewhere / "n01/sub/2.png", "content");
  touch("a/x.png");
  link("a/linked.jpg", folder_ / "a/x.png");
  link("b", elsewhere / "n01");
  fs::remove_all(folder_ / "outside");
  EXPECT_EQ(names(open()), (Names{"a/linked.jpg", "a/x.png", "b/1.png", "b/sub/2.png"}));
}

TEST_F(Folder, EndsWhereLinksGoInCircles) {
  touch("a/x.png");
  link("a/up", "..");
  link("a/here", ".");
  link("all", ".");
  link("a/root", "/");
  for (int i = 0; i < 12; ++i) {
    touch(fmt::format("b/{}/y.png", i));
    for (int j = 0; j < 12; ++j) link(fmt::format("b/{}/to{}", i, j), folder_ / fmt::format("b/{}", j));
  }
  const PictureFolder found = open();
  EXPECT_EQ(found.classes, (Names{"a", "b"}));
  EXPECT_EQ(found.pictures.size(), 13U);
  EXPECT_TRUE(
      mentions(notice(),
               "passed over 3 links to folders that hold the tree, 145 links to folders of their class that "
               "are there already"));
}

TEST_F(Folder, ListsWhatCannotBeReadSoThatTheLoaderCountsIt) {
  fs::create_directories(folder_ / "a");
  for (int i = 0; i < 300; ++i) write_png(folder_ / fmt::format("a/{:03}.png", i), {1, 1, {1, 2, 3}});
  link("a/loop.png", "loop.png");
  link("a/nothing.png", "none.png");
  fs::create_directories(folder_ / "a/z.png");
  link("a/nothing.txt", "none.txt");
  PictureFolder found = open();
  EXPECT_EQ(found.pictures.size(), 303U);
  EXPECT_EQ(
      notice(),
      "passed over 1 file that is no picture (.txt); 3 broken links or folders that are named as pictures "
      "count as unreadable");
  const auto red = [](const Image& image, int64_t, std::span<float> chw) { chw[0] = image.rgb[0]; };
  const auto read_all = [&] {
    Loader loader(found.pictures, red, 1, 1, {}, notices_);
    while (loader.next()) {
    }
    return loader.skipped();
  };
  EXPECT_EQ(read_all(), 3);
  found.pictures.erase(found.pictures.begin(), found.pictures.begin() + 10);
  EXPECT_TRUE(mentions(input_error(read_all), "3 of 293 pictures cannot be decoded"));
}

TEST_F(Folder, TakesLabelsFromTheClassList) {
  touch("n02/1.jpg");
  touch("n07/1.jpg");
  const ClassList classes{{{"n02", 40}, {"n05", 3}, {"n07", 12}}};
  const PictureFolder found = open(&classes);
  EXPECT_EQ(found.pictures[0].label, 40);
  EXPECT_EQ(found.pictures[1].label, 12);
}

TEST_F(Folder, RefusesAFolderThatIsNotInTheClassList) {
  touch("n02/1.jpg");
  const ClassList classes{{{"n05", 3}}};
  EXPECT_TRUE(mentions(open_error(folder_.path(), &classes), "folder n02"));
}

TEST_F(Folder, NeedsNoClassForAFolderWithoutPicturesWhereThereIsAClassList) {
  touch("n02/1.jpg");
  touch("logs/1.txt");
  const ClassList classes{{{"n02", 40}}};
  EXPECT_EQ(labels(open(&classes)), (std::vector<int64_t>{40}));
  EXPECT_EQ(notice(), "passed over 1 file that is no picture (.txt), 1 folder without pictures (logs)");
}

TEST_F(Folder, RefusesWhatHoldsNoPictures) {
  EXPECT_TRUE(mentions(open_error(folder_ / "none"), "not found"));
  EXPECT_TRUE(mentions(open_error(folder_.path()), "is empty"));
  touch("file.jpg");
  EXPECT_TRUE(mentions(open_error(folder_ / "file.jpg"), "not a folder"));
  EXPECT_TRUE(mentions(open_error(folder_.path()), "no pictures"));
  touch("a/anim.gif");
  EXPECT_TRUE(mentions(open_error(folder_.path()), "no pictures"));
  EXPECT_TRUE(mentions(open_error(folder_.path()),
                       "passed over 1 file beside the class folders, 1 file that is no picture (.gif)"));
}

}  // namespace
}  // namespace normgraft
