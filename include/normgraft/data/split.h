#pragma once

#include <vector>

#include "normgraft/data/folder.h"

namespace normgraft {

/// What each picture of a calibration may be used for: to fit something to it, to choose between things that
/// were fitted, or to report how good the chosen one is. No picture serves two purposes, save where there are
/// only three: then the third is there both to choose by and to report on.
struct PictureSplit {
  std::vector<Picture> fit, choose, report;

  /// What to choose by.
  const std::vector<Picture>& judges() const { return choose.empty() ? report : choose; }
};

/// Splits pictures by their class folder's and their own name alone: 3 of 20 to choose by (128 at most), 1 of
/// 20 to report on (64 at most), the others to fit to. The order stays in each part. Throws InputError for
/// fewer than three pictures.
PictureSplit split_pictures(const std::vector<Picture>& pictures);

/// The names by which a split is recorded, {"fit": [...], "choose": [...], "report": [...]}: "class/file".
Json to_json(const PictureSplit& split);

/// Pictures split as recorded: those named there keep their part. Of the others, as many join those to choose
/// by as make them `choose_share` of all, and those to report on as make them a third of that share; the rest
/// is to fit to. Throws InputError for a record that is no split, and where a part to fit to or to choose by
/// stays empty.
PictureSplit split_as_recorded(const std::vector<Picture>& pictures, const Json& recorded,
                               double choose_share = 0);

}  // namespace normgraft
