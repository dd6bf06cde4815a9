#pragma once

#include <optional>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/data/folder.h"
#include "normgraft/data/loader.h"
#include "normgraft/network/network.h"

namespace normgraft {

/// The pictures of a tree in a seeded random order, the first `count` of them (0: all), whatever their
/// classes.
std::vector<Picture> unlabelled_pictures(const Path& data, int64_t count, uint64_t seed, Monitor& monitor);

/// Pictures with labels below the network's number of classes; where `count` is not 0, that many in a random
/// order. A tree of some classes only needs a class list. Throws InputError naming what does not fit.
std::vector<Picture> labelled_pictures(const Path& data, const std::optional<Path>& class_list, int64_t count,
                                       const Network& network, Monitor& monitor);

/// Hands pictures out as the network expects them for evaluation.
Loader evaluation_loader(const Network& network, std::vector<Picture> pictures, int64_t batch,
                         Monitor& monitor);

}  // namespace normgraft
