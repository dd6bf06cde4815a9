#include <fmt/format.h>

#include <iostream>
#include <map>

#include "data/pillow.h"

namespace normgraft {
namespace {

struct Verdict {
  Path file;
  std::string kind, damage;
  bool by_pillow, by_us;
};

bool is_refused(const Path& file) {
  try {
    decode_image(file);
    return false;
  } catch (const InputError&) {
    return true;
  }
}

/// Pictures damaged at random, with the verdicts of Pillow and ours. Prints how many of them each refuses.
class Damage : public testing::Test {
 protected:
  void judge(const std::string& formats, int cuts, int changes, int seed) {
    const std::string script = NORMGRAFT_SOURCE_DIR "/tests/data/damage_oracle.py";
    ASSERT_EQ(std::system(fmt::format("/usr/bin/python3 '{}' '{}' {} {} {} {}", script,
                                      folder_.path().string(), formats, cuts, changes, seed)
                              .c_str()),
              0);
    for (const Json& entry : read_json(folder_ / "verdicts.json", "verdicts")) {
      const Path file = folder_ / entry.at("file").get<std::string>();
      verdicts_.push_back(
          {file, entry.at("kind"), entry.at("damage"), entry.at("refused"), is_refused(file)});
    }
    print();
  }

  void print() const {
    struct Count {
      int files = 0, by_pillow = 0, by_us = 0;
    };
    std::map<std::string, Count> counts;
    for (const Verdict& v : verdicts_) {
      for (const std::string& row :
           {fmt::format("{:6} {}", v.damage, v.kind), fmt::format("{:6} ALL", v.damage)}) {
        ++counts[row].files;
        counts[row].by_pillow += v.by_pillow;
        counts[row].by_us += v.by_us;
      }
    }
    std::cout << fmt::format("{:30} {:>6} {:>10} {:>8}\n", "", "files", "by Pillow", "by us");
    for (const auto& [row, n] : counts)
      std::cout << fmt::format("{:30} {:6} {:10} {:8}\n", row, n.files, n.by_pillow, n.by_us);
  }

  void expect_refused_where_pillow_refuses() const {
    for (const Verdict& v : verdicts_) {
      EXPECT_TRUE(v.by_us || !v.by_pillow) << v.damage << " " << v.kind << " " << v.file.filename();
    }
  }
  void expect_accepted(const std::string& damage) const {
    for (const Verdict& v : verdicts_) EXPECT_FALSE(v.damage == damage && v.by_us) << v.kind;
  }
  void expect_refused(const std::string& damage) const {
    for (const Verdict& v : verdicts_) {
      EXPECT_FALSE(v.damage == damage && !v.by_us) << v.kind << " " << v.file.filename();
    }
  }

  TemporaryFolder folder_;
  std::vector<Verdict> verdicts_;
};

TEST_F(Damage, WhatPillowRefusesOfJpegAndPngIsRefused) {
  judge("jpeg-png", 900, 240, 1);
  expect_accepted("whole");
  expect_refused("cut");
  expect_refused_where_pillow_refuses();
}

TEST_F(Damage, WhatPillowRefusesOfTheOtherFormatsIsRefused) {
  judge("others", 900, 240, 2);
  expect_accepted("whole");
  expect_refused("cut");
  expect_refused_where_pillow_refuses();
}

}  // namespace
}  // namespace normgraft
