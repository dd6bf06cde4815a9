#include "normgraft/calibrate/writers.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "normgraft/capture/token_costs.h"
#include "normgraft/core/timer.h"
#include "normgraft/network/batches.h"

namespace normgraft {
namespace {

constexpr int64_t kPicturesOfCosts = 48;
constexpr uint64_t kSeedOfCosts = 1;
constexpr int64_t kMostValues = int64_t{128} << 20;  ///< that enter one writer, of all pictures and tokens

}  // namespace

Tensor walk_images(const Network& network, std::vector<Picture> pictures, size_t most,
                   const std::string& stage, Monitor& monitor) {
  int64_t values = 1;  // of one picture
  for (size_t i = 0; i < network.sites().size(); ++i) {
    if (!network.writes_behind(i)) continue;
    const Tensor& writer = network.tensors().at(network.sites()[i + 1].writer->linear.weight);
    values = std::max(values, writer.size(1) * network.sites()[i].tokens);
  }
  const auto room = static_cast<size_t>(std::max<int64_t>(kMostValues / values, 1));
  const size_t count = most == 0 ? room : std::min(most, room);
  if (pictures.size() > count) pictures.resize(count);
  return read_images(std::move(pictures), network.preprocessing(), stage, monitor);
}

CarrierOptions carrier_options(const Network& network, const WalkImages& images) {
  const at::NoGradGuard no_grad;
  CarrierOptions options;
  options.costs = token_costs(network, images.fit.slice(0, 0, kPicturesOfCosts), kSeedOfCosts);
  return options;
}

WriterStep refit_writers(Graft& graft, const Network& teacher, std::vector<Picture> fit,
                         std::vector<Picture> choose, const Yardstick& held_out, Monitor& monitor) {
  const Timer timer;
  WriterStep step;
  step.before = step.after = held_out.measure(graft.network());
  const Tensors before = graft.network().tensors();
  WalkImages images{walk_images(teacher, std::move(fit), 0, "calibrate", monitor), {}};
  if (!choose.empty())
    images.choose = read_images(std::move(choose), teacher.preprocessing(), "calibrate", monitor);
  carry_scale(graft.network(), images, carrier_options(teacher, images), &teacher, monitor);
  const Distance after = held_out.measure(graft.network());
  monitor.notice(fmt::format(
      "calibrate: writers of the stream refitted, divergence on pictures kept apart {:.4f} -> {:.4f}",
      step.before.kl, after.kl));
  if (after.kl < step.before.kl) {
    step.after = after;
  } else {
    graft.network().tensors() = before;
  }
  step.seconds = timer.seconds();
  return step;
}

}  // namespace normgraft
