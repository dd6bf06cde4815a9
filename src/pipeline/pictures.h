#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/data/folder.h"
#include "normgraft/data/loader.h"
#include "normgraft/network/network.h"

namespace normgraft {

/// The pictures of a tree in a seeded random order, the first `count` of them (0: all), whatever their
/// classes.
std::vector<Picture> unlabelled_pictures(const Path& data, int64_t count, uint64_t seed, Monitor& monitor);

/// What pictures with labels have to fit.
struct Classifier {
  std::string name;
  int64_t classes = 0;
  std::vector<std::string> class_names;  ///< one for each class, or none
  Preprocessing preprocessing;
};
Classifier classifier(const Network& network);

/// Pictures with labels below the model's number of classes; where `count` is not 0, that many in a random
/// order. A tree of some classes only needs a class list. Throws InputError naming what does not fit.
std::vector<Picture> labelled_pictures(const Path& data, const std::optional<Path>& class_list, int64_t count,
                                       const Classifier& model, Monitor& monitor);

/// Hands pictures out as a network of that preprocessing expects them for evaluation.
Loader evaluation_loader(const Preprocessing& preprocessing, std::vector<Picture> pictures, int64_t batch,
                         Monitor& monitor);

}  // namespace normgraft
