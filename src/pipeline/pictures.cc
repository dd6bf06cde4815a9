#include "pictures.h"

#include <fmt/format.h>

#include <algorithm>

#include "normgraft/core/error.h"
#include "normgraft/core/shuffle.h"
#include "normgraft/data/pictures.h"

namespace normgraft {
namespace {

std::vector<Picture> some(std::vector<Picture> pictures, int64_t count, uint64_t seed) {
  shuffle(pictures, Random({seed, 0x9ac7}));
  if (count > 0 && static_cast<size_t>(count) < pictures.size()) pictures.resize(static_cast<size_t>(count));
  return pictures;
}

}  // namespace

std::vector<Picture> unlabelled_pictures(const Path& data, int64_t count, uint64_t seed, Monitor& monitor) {
  return some(open_pictures(data, nullptr, monitor).pictures, count, seed);
}

Classifier classifier(const Network& network) {
  const Architecture& architecture = network.architecture();
  return {architecture.name(), network.classes(), architecture.class_names(), network.preprocessing()};
}

std::vector<Picture> labelled_pictures(const Path& data, const std::optional<Path>& class_list, int64_t count,
                                       const Classifier& model, Monitor& monitor) {
  if (model.classes < 2) {
    throw InputError(
        fmt::format("{} predicts {} classes, expected at least 2 to judge it by pictures with labels",
                    model.name, model.classes));
  }
  std::optional<ClassList> list;
  if (class_list) {
    list = read_class_list(*class_list);
  } else if (!model.class_names.empty()) {
    list = class_list_from(model.class_names);
  }
  PictureFolder folder = open_pictures(data, list ? &*list : nullptr, monitor);
  const auto folders = static_cast<int64_t>(folder.classes.size());
  if (!list && !folder.numbered && model.classes != folders) {
    throw InputError(
        fmt::format("{} holds {} classes and the model has {}: expected a class list (--classes) or a "
                    "folder for each class",
                    data.string(), folders, model.classes));
  }
  for (const Picture& picture : folder.pictures) {
    if (picture.label < 0) {
      throw InputError(
          fmt::format("{} has no class, expected one for each picture to judge by", picture.path.string()));
    }
    if (picture.label < model.classes) continue;
    throw InputError(
        fmt::format("{} has class {}, but the model has {} classes: expected another class list (--classes)",
                    picture.path.string(), picture.label, model.classes));
  }
  return count > 0 ? some(std::move(folder.pictures), count, 1) : std::move(folder.pictures);
}

Loader evaluation_loader(const Preprocessing& p, std::vector<Picture> pictures, int64_t batch,
                         Monitor& monitor) {
  LoaderOptions options;
  options.batch = batch;
  return Loader(std::move(pictures), evaluation_transform(p), p.height, p.width, options, monitor);
}

}  // namespace normgraft
