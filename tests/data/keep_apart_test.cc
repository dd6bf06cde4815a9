#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "data/support.h"
#include "normgraft/data/folder.h"

namespace normgraft {
namespace {

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
