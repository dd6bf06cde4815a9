#include "normgraft/data/pictures.h"

#include <algorithm>

#include "class_order.h"
#include "picture_list.h"
#include "shards.h"

namespace normgraft {

PictureFolder open_pictures(const Path& path, const ClassList* classes, Monitor& monitor) {
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) {
    if (is_shard_name(path)) return open_shards(path, {path}, classes, monitor);
    if (is_list_name(path)) return open_picture_list(path, classes);
  }
  std::vector<Path> shards;
  for (const auto& entry : std::filesystem::directory_iterator(path, error))
    if (is_shard_name(entry.path()) && entry.is_regular_file(error)) shards.push_back(entry.path());
  if (shards.empty()) return open_picture_folder(path, classes, monitor);
  std::sort(shards.begin(), shards.end(),
            [](const Path& a, const Path& b) { return comes_before(a.native(), b.native()); });
  return open_shards(path, shards, classes, monitor);
}

}  // namespace normgraft
