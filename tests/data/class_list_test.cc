#include "data/support.h"
#include "normgraft/data/folder.h"

namespace normgraft {
namespace {

class ClassLists : public testing::Test {
 protected:
  Path csv(std::string_view text) {
    write_bytes(folder_ / "classes.csv", text);
    return folder_ / "classes.csv";
  }
  std::string csv_error(std::string_view text) {
    const Path path = csv(text);
    return input_error([&] { read_class_list(path); });
  }

  TemporaryFolder folder_;
};

TEST_F(ClassLists, ReadsAClassListWithQuotesAndColumnsInAnyOrder) {
  const ClassList classes =
      read_class_list(csv("\xef\xbb\xbfname,wnid,class_index\r\n\"tench, Tinca "
                          "\"\"tinca\"\"\",n01440764,0\r\n\r\n,\"n01443537\",7"));
  EXPECT_EQ(classes.index, (std::map<std::string, int64_t>{{"n01440764", 0}, {"n01443537", 7}}));
}

TEST_F(ClassLists, RefusesAWrongClassListWithTheLine) {
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

TEST_F(ClassLists, NumbersTheNamesOfAConfigInTheirOrder) {
  EXPECT_EQ(class_list_from({"zebra", "ant", "Quail"}).index,
            (std::map<std::string, int64_t>{{"zebra", 0}, {"ant", 1}, {"Quail", 2}}));
}

TEST_F(ClassLists, RefusesNamesOfAConfigThatNameNoFolderOrOneTwice) {
  EXPECT_TRUE(mentions(input_error([] { class_list_from({}); }), "label_names is empty"));
  EXPECT_TRUE(mentions(input_error([] { class_list_from({"a", ""}); }), "name 1 is empty"));
  EXPECT_TRUE(mentions(input_error([] {
                         class_list_from({"a", "b", "a"});
                       }),
                       "name 2 is \"a\" a second time"));
}

}  // namespace
}  // namespace normgraft
