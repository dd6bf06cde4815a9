#include "normgraft/realign/realign.h"

#include <fmt/format.h>

#include <algorithm>

#include "normgraft/core/shuffle.h"
#include "trainer.h"

namespace normgraft {
namespace {

/// Everything that the course of a run depends on, as text.
std::string identity_of(const Graft& student, const std::vector<Picture>& pictures,
                        const RealignOptions& options) {
  uint64_t hash = fnv1a({});
  const auto add = [&hash](const void* data, size_t size) {
    hash = fnv1a({static_cast<const std::byte*>(data), size}, hash);
  };
  for (const Picture& picture : pictures) {
    const std::string text = fmt::format("{} {}", picture.path.string(), picture.label);
    add(text.data(), text.size());
  }
  for (const auto& [name, tensor] : student.vit().tensors()) {
    const torch::Tensor bytes = tensor.detach().contiguous();
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

RealignResult realign(Graft& student, const Vit* teacher, const std::vector<Picture>& pictures,
                      const RealignOptions& options, const Path& folder, bool restart, Monitor& monitor) {
  options.validate();
  const int64_t classes = student.vit().config().classes;
  if (needs_teacher(options) && teacher == nullptr) {
    throw InputError(
        fmt::format("realign: mode {} needs a teacher, the model before grafting", to_string(options.mode)));
  }
  for (const Picture& picture : pictures) {
    if (needs_labels(options) && picture.label >= classes) {
      throw InputError(
          fmt::format("{} has class {}, but the model has {} classes: expected a class list (--classes)",
                      picture.path.string(), picture.label, classes));
    }
  }

  const auto apart =
      std::max<size_t>(1, static_cast<size_t>(options.held_out * static_cast<double>(pictures.size())));
  auto [train, held_out] = keep_apart(pictures, apart);
  shuffle(train, Random({options.seed, 0x401d}));

  Trainer trainer(student, teacher, train, held_out, options, identity_of(student, pictures, options), folder,
                  monitor);
  trainer.resume(restart);
  while (!trainer.finished()) trainer.run_epoch();

  student = load_graft(folder, {}, monitor);
  return {trainer.history(), trainer.best_epoch()};
}

}  // namespace normgraft
