#include "normgraft/data/pictures.h"

#include <fmt/format.h>

#include <cstdlib>

#include "data/notices.h"
#include "data/support.h"
#include "normgraft/data/loader.h"

// Archives by tar, Debian's own.

namespace normgraft {
namespace {

using Labels = std::vector<int64_t>;

class Pictures : public testing::Test {
 protected:
  /// A picture of one colour.
  void paint(const std::string& name, uint8_t colour) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    Image image{3, 2, std::vector<uint8_t>(18, colour)};
    write_png(folder_ / name, image);
  }
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    write_bytes(folder_ / name, text);
  }
  void tar(const std::string& archive, const std::string& what, const std::string& options = "") {
    const std::string command = fmt::format("tar {} -cf {} -C {} {}", options, (folder_ / archive).string(),
                                            folder_.path().string(), what);
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  PictureFolder open(const std::string& name, const ClassList* classes = nullptr) {
    return open_pictures(folder_ / name, classes, notices_);
  }
  std::string open_error(const std::string& name, const ClassList* classes = nullptr) {
    return input_error([&] { open(name, classes); });
  }
  static Labels labels(const PictureFolder& found) {
    Labels labels;
    for (const Picture& picture : found.pictures) labels.push_back(picture.label);
    return labels;
  }
  static std::vector<int> colours(const PictureFolder& found) {
    std::vector<int> colours;
    for (const Picture& picture : found.pictures) colours.push_back(decode_picture(picture).rgb.at(0));
    return colours;
  }

  TemporaryFolder folder_;
  Notices notices_;
};

TEST_F(Pictures, OfShardsHaveTheClassesThatTheirFilesSay) {
  for (int i = 0; i < 5; ++i) {
    paint(fmt::format("in/0000{}.png", i), static_cast<uint8_t>(10 * i));
    write(fmt::format("in/0000{}.cls", i), fmt::format("{}\n", 4 - i));
  }
  std::filesystem::create_directory(folder_ / "shards");
  tar("shards/set-0.tar", "in/00000.cls in/00000.png in/00001.png in/00001.cls");
  tar("shards/set-1.tar", "in/00002.png in/00002.cls in/00003.cls in/00003.png in/00004.png in/00004.cls");
  const PictureFolder found = open("shards");
  EXPECT_EQ(colours(found), (std::vector<int>{0, 10, 20, 30, 40}));
  EXPECT_EQ(labels(found), (Labels{4, 3, 2, 1, 0}));
  EXPECT_TRUE(found.numbered);
  EXPECT_TRUE(notices_.lines.empty());
  EXPECT_EQ(colours(open("shards/set-1.tar")), (std::vector<int>{20, 30, 40}));
}

TEST_F(Pictures, OfShardsAreFoundWhateverTheHeadersOfTheArchive) {
  const std::string long_name = std::string(120, 'n');
  paint("cats/a.png", 50);
  paint("cats/" + long_name + ".png", 60);
  paint("dogs/b.png", 70);
  for (const char* format : {"ustar", "gnu", "pax", "v7"}) {
    SCOPED_TRACE(format);
    const bool short_names = std::string(format) == "v7" || std::string(format) == "ustar";
    tar("set.tar", short_names ? "cats/a.png dogs" : "cats dogs", fmt::format("--format={}", format));
    const PictureFolder found = open("set.tar");
    EXPECT_EQ(colours(found), short_names ? (std::vector<int>{50, 70}) : (std::vector<int>{50, 60, 70}));
    EXPECT_EQ(found.classes, (std::vector<std::string>{"cats", "dogs"}));
    EXPECT_EQ(labels(found), short_names ? (Labels{0, 1}) : (Labels{0, 0, 1}));
  }
}

TEST_F(Pictures, OfShardsOfFoldersTakeTheClassesOfAList) {
  paint("n2/a.png", 50);
  paint("n1/b.png", 60);
  tar("set.tar", "n1 n2");
  const ClassList classes{{{"n1", 7}, {"n2", 3}}};
  EXPECT_EQ(labels(open("set.tar", &classes)), (Labels{7, 3}));
  const ClassList others{{{"n1", 7}}};
  EXPECT_TRUE(mentions(open_error("set.tar", &others), "folder n2 in "));
}

TEST_F(Pictures, OfShardsWithoutAClassAndOtherFilesAreSaid) {
  paint("a.png", 50);
  paint("b.png", 60);
  write("b.cls", "1");
  write("b.json", "{}");
  tar("set.tar", "a.png b.png b.cls b.json");
  EXPECT_EQ(labels(open("set.tar")), (Labels{-1, 1}));
  ASSERT_EQ(notices_.lines.size(), 1);
  EXPECT_TRUE(
      mentions(notices_.lines[0], "2 in 1 tar file, 1 without a class, 1 other files are passed over"));
}

TEST_F(Pictures, OfShardsGoThroughALoader) {
  for (int i = 0; i < 9; ++i) paint(fmt::format("{}.png", i), static_cast<uint8_t>(i));
  tar("set.tar", "0.png 1.png 2.png 3.png 4.png 5.png 6.png 7.png 8.png");
  const Transform first = [](const Image& image, int64_t, std::span<float> chw) { chw[0] = image.rgb[0]; };
  Loader loader(open("set.tar").pictures, first, 1, 1, {.batch = 9, .threads = 3}, notices_);
  const auto batch = loader.next();
  ASSERT_TRUE(batch);
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(batch->pixels[3 * i], static_cast<float>(i));
}

TEST_F(Pictures, OfDamagedArchivesAreRefused) {
  paint("a.png", 50);
  write("a.cls", "one");
  tar("label.tar", "a.png a.cls");
  EXPECT_TRUE(mentions(open_error("label.tar"), "a.cls is \"one\", expected the number of a class"));
  write("text.tar", "no archive at all");
  EXPECT_TRUE(mentions(open_error("text.tar"), "tar file "));
  tar("zipped.tar", "a.png", "-z");
  EXPECT_TRUE(mentions(open_error("zipped.tar"), "tar file "));
  tar("empty.tar", "a.cls");
  write("a.cls", "1");
  tar("empty.tar", "a.cls");
  EXPECT_TRUE(mentions(open_error("empty.tar"), "no pictures in "));
  for (int i = 0; i < 4; ++i) paint(fmt::format("more{}.png", i), 3);
  tar("whole.tar", "more0.png more1.png more2.png more3.png");
  const std::string whole = read_file(folder_ / "whole.tar", "tar");
  write("short.tar", whole.substr(0, 3 * 1024 + 100));
  EXPECT_TRUE(mentions(open_error("short.tar"), "tar file "));
}

TEST_F(Pictures, OfAListHaveTheClassesBehindTheirNames) {
  paint("some pictures/b 1.png", 50);
  paint("a.png", 60);
  paint("c.png", 70);
  const ClassList classes{{{"n1", 7}}};
  write("list.txt", "some pictures/b 1.png 3\n\na.png\t5\r\nc.png n1\n");
  const PictureFolder found = open("list.txt", &classes);
  EXPECT_EQ(colours(found), (std::vector<int>{60, 70, 50}));
  EXPECT_EQ(labels(found), (Labels{5, 7, 3}));
  write("list.csv", "a.png,2\nc.png\n");
  EXPECT_EQ(labels(open("list.csv")), (Labels{2, -1}));
}

TEST_F(Pictures, OfAListThatIsWrongNameTheLine) {
  write("list.txt", "a.png 1\nb.png cat\n");
  EXPECT_TRUE(mentions(open_error("list.txt"), "list.txt, line 2: expected the name of a picture"));
  write("list.txt", "a.doc\n");
  EXPECT_TRUE(mentions(open_error("list.txt"), "line 1"));
  write("list.txt", "\n");
  EXPECT_TRUE(mentions(open_error("list.txt"), "it is empty"));
}

TEST_F(Pictures, OfATreeAreThoseOfTheTree) {
  paint("tree/cats/a.png", 50);
  paint("tree/dogs/b.png", 60);
  EXPECT_EQ(labels(open("tree")), (Labels{0, 1}));
  EXPECT_FALSE(open("tree").numbered);
  EXPECT_TRUE(mentions(open_error("absent"), "picture folder not found"));
  EXPECT_TRUE(mentions(open_error("tree/cats/a.png"), "is not a folder of pictures"));
}

}  // namespace
}  // namespace normgraft
