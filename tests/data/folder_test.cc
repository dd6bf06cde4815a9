#include "normgraft/data/folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "data/support.h"

namespace normgraft {
namespace {

class Folder : public testing::Test {
 protected:
  void touch(const std::string& name) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    write_bytes(folder_ / name, "content");
  }
  std::vector<std::string> names(const PictureFolder& found) {
    std::vector<std::string> names;
    for (const Picture& picture : found.pictures)
      names.push_back(picture.path.lexically_relative(folder_.path()));
    return names;
  }
  Path csv(std::string_view text) {
    write_bytes(folder_ / "classes.csv", text);
    return folder_ / "classes.csv";
  }
  std::string csv_error(std::string_view text) {
    const Path path = csv(text);
    return input_error([&] { read_class_list(path); });
  }
  std::string open_error(const Path& root, const ClassList* classes = nullptr) {
    return input_error([&] { open_picture_folder(root, classes); });
  }

  TemporaryFolder folder_;
};

TEST_F(Folder, ListsPicturesSortedAndPassesOverOtherFiles) {
  for (const char* name :
       {"b/2.jpg", "b/10.JPEG", "a/x.png", "a/notes.txt", "c/y.PNG", "labels.csv", "a/sub/z.jpg"}) {
    touch(name);
  }
  const PictureFolder found = open_picture_folder(folder_.path());
  EXPECT_EQ(found.classes, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(names(found), (std::vector<std::string>{"a/x.png", "b/10.JPEG", "b/2.jpg", "c/y.PNG"}));
  EXPECT_EQ(found.pictures[1].label, 1);
  EXPECT_EQ(found.pictures[3].label, 2);
}

TEST_F(Folder, TakesLabelsFromTheClassList) {
  touch("n02/1.jpg");
  touch("n07/1.jpg");
  const ClassList classes{{{"n02", 40}, {"n05", 3}, {"n07", 12}}};
  const PictureFolder found = open_picture_folder(folder_.path(), &classes);
  EXPECT_EQ(found.pictures[0].label, 40);
  EXPECT_EQ(found.pictures[1].label, 12);
}

TEST_F(Folder, RefusesAFolderThatIsNotInTheClassList) {
  touch("n02/1.jpg");
  const ClassList classes{{{"n05", 3}}};
  EXPECT_TRUE(mentions(open_error(folder_.path(), &classes), "folder n02"));
}

TEST_F(Folder, RefusesWhatHoldsNoPictures) {
  EXPECT_TRUE(mentions(open_error(folder_ / "none"), "not found"));
  EXPECT_TRUE(mentions(open_error(folder_.path()), "is empty"));
  touch("file.jpg");
  EXPECT_TRUE(mentions(open_error(folder_ / "file.jpg"), "not a folder"));
  EXPECT_TRUE(mentions(open_error(folder_.path()), "no pictures"));
  touch("a/text.txt");
  EXPECT_TRUE(mentions(open_error(folder_.path()), "no pictures"));
}

TEST_F(Folder, ReadsAClassListWithQuotesAndColumnsInAnyOrder) {
  const ClassList classes =
      read_class_list(csv("\xef\xbb\xbfname,wnid,class_index\r\n\"tench, Tinca "
                          "\"\"tinca\"\"\",n01440764,0\r\n\r\n,\"n01443537\",7"));
  EXPECT_EQ(classes.index, (std::map<std::string, int64_t>{{"n01440764", 0}, {"n01443537", 7}}));
}

TEST_F(Folder, RefusesAWrongClassListWithTheLine) {
  EXPECT_TRUE(mentions(csv_error("index,wnid\n0,a\n"), "line 1: no column class_index"));
  EXPECT_TRUE(mentions(csv_error("class_index,name\n0,a\n"), "line 1: no column wnid"));
  EXPECT_TRUE(mentions(csv_error("class_index,wnid\n0,a\nx,b\n"), "line 3: class_index is \"x\""));
  EXPECT_TRUE(mentions(csv_error("class_index,wnid\n-1,a\n"), "line 2: class_index is \"-1\""));
  EXPECT_TRUE(mentions(csv_error("class_index,wnid\n0,a\n1\n"), "line 3: 1 fields, expected 2"));
  EXPECT_TRUE(mentions(csv_error("class_index,wnid\n0,a\n1,a\n"), "line 3: wnid a appears"));
  EXPECT_TRUE(mentions(csv_error("class_index,wnid\n0,a\n0,b\n"), "line 3: class_index 0 appears"));
  EXPECT_TRUE(mentions(csv_error("class_index,wnid\n0,\n"), "line 2: wnid is empty"));
  EXPECT_TRUE(mentions(csv_error("class_index,wnid\n0,\"a\n"), "line 2: a misplaced quote"));
  EXPECT_TRUE(mentions(csv_error("class_index,wnid\n0,a\"b\"\n"), "line 2: a misplaced quote"));
  EXPECT_TRUE(mentions(csv_error("class_index,wnid\n0,\"a\"b\n"), "line 2: a misplaced quote"));
  EXPECT_TRUE(mentions(csv_error("class_index,wnid\n"), "no classes follow"));
  EXPECT_TRUE(mentions(csv_error(""), "line 1"));
}

TEST(KeepApart, ChoosesTheSamePicturesWhateverTheirOrderAndPlace) {
  std::vector<Picture> here, there;
  for (int i = 0; i < 40; ++i) {
    here.push_back({fmt::format("/a/n{:02}/p{}.png", i % 5, i), i % 5});
    there.push_back({fmt::format("/b/c/n{:02}/p{}.png", (39 - i) % 5, 39 - i), (39 - i) % 5});
  }
  const auto names = [](const std::vector<Picture>& pictures) {
    std::set<std::string> all;
    for (const Picture& p : pictures) all.insert(p.path.filename().string());
    return all;
  };
  const PictureSplit split = keep_apart(here, 7);
  EXPECT_EQ(split.apart.size(), 7U);
  EXPECT_EQ(split.fitted.size(), 33U);
  EXPECT_EQ(names(split.apart), names(keep_apart(there, 7).apart));
  EXPECT_TRUE(
      std::is_sorted(split.fitted.begin(), split.fitted.end(), [&](const Picture& a, const Picture& b) {
        const auto place = [&](const Picture& p) {
          return std::find_if(here.begin(), here.end(), [&](const Picture& q) { return q.path == p.path; });
        };
        return place(a) < place(b);
      }));
  EXPECT_THROW(keep_apart(here, 40), InputError);
}

}  // namespace
}  // namespace normgraft
