#include "normgraft/data/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "normgraft/core/error.h"
#include "normgraft/core/json_place.h"
#include "normgraft/core/random.h"

namespace normgraft {
namespace {

constexpr size_t kLeast = 3;
constexpr size_t kMostToChoose = 128, kMostToReport = 64;

std::string name_of(const Picture& picture) {
  return (picture.path.parent_path().filename() / picture.path.filename()).generic_string();
}

/// A number for each picture that depends on its name alone, as good as random.
uint64_t rank_of(const Picture& picture) {
  const std::string name = name_of(picture);
  return Random{fnv1a(std::as_bytes(std::span(name)))}();
}

/// The indices of the pictures, by rank.
std::vector<size_t> by_rank(const std::vector<Picture>& pictures) {
  std::vector<std::pair<uint64_t, size_t>> ranks;
  for (size_t i = 0; i < pictures.size(); ++i) ranks.emplace_back(rank_of(pictures[i]), i);
  std::sort(ranks.begin(), ranks.end());
  std::vector<size_t> indices;
  indices.reserve(ranks.size());
  for (const auto& [rank, index] : ranks) indices.push_back(index);
  return indices;
}

enum class Purpose : uint8_t { kFit, kChoose, kReport };

PictureSplit dealt(const std::vector<Picture>& pictures, const std::vector<Purpose>& purposes) {
  PictureSplit split;
  for (size_t i = 0; i < pictures.size(); ++i) {
    auto& part = purposes[i] == Purpose::kFit      ? split.fit
                 : purposes[i] == Purpose::kChoose ? split.choose
                                                   : split.report;
    part.push_back(pictures[i]);
  }
  return split;
}

std::set<std::string> names_at(const JsonPlace& list) {
  std::set<std::string> names;
  for (const JsonPlace& name : list.elements()) names.insert(name.text());
  return names;
}

}  // namespace

PictureSplit split_pictures(const std::vector<Picture>& pictures) {
  if (pictures.size() < kLeast) {
    throw InputError(fmt::format(
        "{} picture(s) to calibrate with, expected at least {}: some to fit to, others to judge by",
        pictures.size(), kLeast));
  }
  const size_t report = std::clamp<size_t>(pictures.size() / 20, 1, kMostToReport);
  const size_t choose =
      pictures.size() == kLeast ? 0 : std::clamp<size_t>(pictures.size() * 3 / 20, 1, kMostToChoose);
  const std::vector<size_t> ranked = by_rank(pictures);
  std::vector<Purpose> purposes(pictures.size(), Purpose::kFit);
  for (size_t i = 0; i < report + choose; ++i)
    purposes[ranked[i]] = i < report ? Purpose::kReport : Purpose::kChoose;
  return dealt(pictures, purposes);
}

Json to_json(const PictureSplit& split) {
  const auto names = [](const std::vector<Picture>& pictures) {
    Json list = Json::array();
    for (const Picture& picture : pictures) list.push_back(name_of(picture));
    return list;
  };
  return {{"fit", names(split.fit)}, {"choose", names(split.choose)}, {"report", names(split.report)}};
}

PictureSplit split_as_recorded(const std::vector<Picture>& pictures, const Json& recorded,
                               double choose_share) {
  const JsonPlace place(recorded, "run.json", "split");
  const std::set<std::string> fit = names_at(place["fit"]), choose = names_at(place["choose"]),
                              report = names_at(place["report"]);
  std::vector<Purpose> purposes;
  for (const Picture& picture : pictures) {
    const std::string name = name_of(picture);
    purposes.push_back(choose.contains(name)   ? Purpose::kChoose
                       : report.contains(name) ? Purpose::kReport
                                               : Purpose::kFit);
  }
  const auto lacking = [&](Purpose purpose, double share) {
    return static_cast<int64_t>(std::ceil(share * static_cast<double>(pictures.size()))) -
           std::count(purposes.begin(), purposes.end(), purpose);
  };
  int64_t to_choose = lacking(Purpose::kChoose, choose_share),
          to_report = lacking(Purpose::kReport, choose_share / 3);
  for (const size_t i : by_rank(pictures)) {
    if (to_choose <= 0 && to_report <= 0) break;
    if (purposes[i] != Purpose::kFit || fit.contains(name_of(pictures[i]))) continue;
    purposes[i] = to_choose > 0 ? Purpose::kChoose : Purpose::kReport;
    --(to_choose > 0 ? to_choose : to_report);
  }
  PictureSplit split = dealt(pictures, purposes);
  if (split.fit.empty() || split.judges().empty()) {
    throw InputError(
        fmt::format("{} pictures leave {} to fit to and {} to choose by, expected at least one of each",
                    pictures.size(), split.fit.size(), split.judges().size()));
  }
  return split;
}

}  // namespace normgraft
