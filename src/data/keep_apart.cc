#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "normgraft/core/error.h"
#include "normgraft/core/random.h"
#include "normgraft/data/folder.h"

namespace normgraft {

PictureSplit keep_apart(const std::vector<Picture>& pictures, size_t apart) {
  if (apart >= pictures.size()) {
    throw InputError(fmt::format("{} pictures, expected at least {}: {} are kept apart", pictures.size(),
                                 apart + 1, apart));
  }
  std::vector<std::pair<uint64_t, size_t>> ranks;
  for (size_t i = 0; i < pictures.size(); ++i) {
    const std::string name =
        (pictures[i].path.parent_path().filename() / pictures[i].path.filename()).generic_string();
    ranks.emplace_back(Random{fnv1a(std::as_bytes(std::span(name)))}(), i);
  }
  std::sort(ranks.begin(), ranks.end());
  std::vector<bool> is_apart(pictures.size());
  for (size_t i = 0; i < apart; ++i) is_apart[ranks[i].second] = true;
  PictureSplit split;
  for (size_t i = 0; i < pictures.size(); ++i)
    (is_apart[i] ? split.apart : split.fitted).push_back(pictures[i]);
  return split;
}

}  // namespace normgraft
