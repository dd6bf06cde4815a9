#include "normgraft/realign/realign.h"

#include <fmt/format.h>

#include <algorithm>

#include "normgraft/core/shuffle.h"
#include "trainer.h"

namespace normgraft {
namespace {

/// Everything that the course of a run depends on, as text.
std::string identity_of(const Graft& student, const PictureSplit& pictures, const RealignOptions& options) {
  uint64_t hash = fnv1a({});
  const auto add = [&hash](const void* data, size_t size) {
    hash = fnv1a({static_cast<const std::byte*>(data), size}, hash);
  };
  for (const auto* part : {&pictures.fit, &pictures.judges()}) {
    for (const Picture& picture : *part) {
      const std::string text = fmt::format("{} {}", picture.path.string(), picture.label);
      add(text.data(), text.size());
    }
  }
  for (const auto& [name, tensor] : student.network().tensors()) {
    const Tensor bytes = tensor.detach().contiguous();
    add(name.data(), name.size());
    add(bytes.data_ptr(), bytes.nbytes());
  }
  for (const auto& [site, f] : student.functions()) {
    const std::string text = site + f.to_string();
    add(text.data(), text.size());
  }
  return fmt::format("{} {:016x}", to_json(options).dump(), hash);
}

}  // namespace

RealignResult realign(Graft& student, const Network* teacher, const PictureSplit& pictures,
                      const RealignOptions& options, const Path& folder, bool restart, Monitor& monitor) {
  options.validate();
  const int64_t classes = student.network().classes();
  if (needs_teacher(options) && teacher == nullptr) {
    throw InputError(
        fmt::format("realign: mode {} needs a teacher, the model before grafting", to_string(options.mode)));
  }
  if (classes < 2) {
    throw InputError(fmt::format(
        "realign: the model predicts {} classes, expected at least 2 to train by its answers", classes));
  }
  for (const auto* part : {&pictures.fit, &pictures.judges()}) {
    for (const Picture& picture : *part) {
      if (!needs_labels(options) || picture.label < classes) continue;
      throw InputError(
          fmt::format("{} has class {}, but the model has {} classes: expected a class list (--classes)",
                      picture.path.string(), picture.label, classes));
    }
  }

  std::vector<Picture> train = pictures.fit;
  shuffle(train, Random({options.seed, 0x401d}));
  Trainer trainer(student, teacher, std::move(train), pictures.judges(), options,
                  identity_of(student, pictures, options), folder, monitor);
  RealignResult result;
  // Where there are only three pictures, those to report on also choose.
  const std::vector<Picture>& report = pictures.choose.empty() ? pictures.choose : pictures.report;
  result.reported = static_cast<int64_t>(report.size());
  if (result.reported > 0) result.before = trainer.score(report);
  trainer.resume(restart);
  while (!trainer.finished()) trainer.run_epoch();
  result.epochs = trainer.history();
  result.best_epoch = trainer.best_epoch();

  student = load_graft(folder, {}, monitor);
  if (result.reported > 0) result.after = trainer.score(report);
  return result;
}

}  // namespace normgraft
