#include "steps_pictures.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "normgraft/data/procedural.h"
#include "normgraft/network/batches.h"
#include "pictures.h"
#include "run_network.h"

namespace normgraft {
namespace {

constexpr int64_t kPictures = 64;
constexpr uint64_t kSeed = 1;

Tensor drawn_images(const Preprocessing& preprocessing) {
  Tensor images = at::empty({kPictures, 3, preprocessing.height, preprocessing.width});
  const auto values = static_cast<size_t>(images[0].numel());
  for (int64_t i = 0; i < kPictures; ++i) {
    const Image image = draw_procedural(static_cast<int>(i % kProceduralClasses), i, kSeed);
    preprocess(image, preprocessing, {images.data_ptr<float>() + static_cast<size_t>(i) * values, values});
  }
  return images;
}

bool is_run(const Path& folder) {
  return std::filesystem::exists(RunFolder(folder).run_json());
}

}  // namespace

Tensor steps_images(const Path& model, const std::optional<Path>& calibration,
                    const Preprocessing& preprocessing, Monitor& monitor, int64_t count) {
  Path folder = std::filesystem::absolute(model).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();  // "grafted/"
  const Path parent = folder.parent_path();
  const Path from = calibration ? *calibration : is_run(parent) ? parent : Path();
  if (from.empty()) {
    monitor.notice(
        "arithmetic: the steps of integers are chosen by drawn pictures, expected --calibration "
        "with pictures like those that will be seen");
    return drawn_images(preprocessing);
  }
  std::vector<Picture> pictures = is_run(from) ? captured_run(RunFolder(from)).pictures.fit
                                               : unlabelled_pictures(from, count, kSeed, monitor);
  if (pictures.size() > static_cast<size_t>(count)) pictures.resize(static_cast<size_t>(count));
  monitor.notice(
      fmt::format("arithmetic: the steps of integers are chosen by pictures of {}", from.string()));
  return read_images(std::move(pictures), preprocessing, "arithmetic", monitor);
}

}  // namespace normgraft
