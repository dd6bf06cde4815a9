#pragma once

#include <vector>

#include "normgraft/data/folder.h"

namespace normgraft {

/// Whether a file is named as a tar archive.
bool is_shard_name(const Path& path);

/// The pictures of tar files, as open_pictures() describes them. `root` is named by errors.
PictureFolder open_shards(const Path& root, const std::vector<Path>& shards, const ClassList* classes,
                          Monitor& monitor);

}  // namespace normgraft
