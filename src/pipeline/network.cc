#include "network.h"

#include <fmt/format.h>

#include <algorithm>

#include "normgraft/core/timer.h"
#include "normgraft/vit/batches.h"
#include "normgraft/vit/carrier.h"
#include "normgraft/vit/stream.h"

namespace normgraft {
namespace {

constexpr size_t kPicturesOfCapture = 256;  ///< that carriers are first fitted to
constexpr int64_t kMostValues = int64_t{128}
                                << 20;  ///< of hidden units, of all pictures and tokens of one MLP

/// The first of the pictures, in memory, as many as a walk can hold.
torch::Tensor carrier_images(const Vit& vit, std::vector<Picture> pictures, Monitor& monitor) {
  const int64_t hidden = vit.tensors().at("blocks.0.mlp.fc1.weight").size(0);
  const auto most = static_cast<size_t>(std::max<int64_t>(kMostValues / (hidden * vit.tokens()), 1));
  if (pictures.size() > most) pictures.resize(most);
  torch::Tensor images = read_images(std::move(pictures), vit.preprocessing(), monitor);
  if (!images.defined()) throw InputError("capture: no picture could be read, expected at least one");
  return images;
}

}  // namespace

double carried_ratio(const CaptureRequest& request, const Vit& vit) {
  return request.prepare ? carrier_ratio({}, vit.config().channels) : 0;
}

Vit prepare_network(const CaptureRequest& request, std::vector<Picture> pictures, Monitor& monitor) {
  Vit vit = load_vit(request.model, request.vit, monitor);
  if (!request.prepare) return vit;
  centre_stream(vit);
  blind_to_mean(vit);
  const double ratio = carried_ratio(request, vit);
  for (size_t site = 0; site < vit.sites().size(); ++site) {
    if (!carries_scale(vit, site)) continue;
    vit.set_normalizer(site, [ratio](const torch::Tensor& x) { return without_mean(carried_log(x, ratio)); });
  }
  if (pictures.size() > kPicturesOfCapture) pictures.resize(kPicturesOfCapture);
  carry_scale(vit, carrier_images(vit, std::move(pictures), monitor), {}, nullptr, monitor);
  for (size_t site = 0; site < vit.sites().size(); ++site) vit.set_normalizer(site, {});
  return vit;
}

void record_network(const RunFolder& run, const CaptureRequest& request, const Vit& vit) {
  if (request.prepare) {
    save_vit(run.prepared(), vit);
  } else {
    std::filesystem::remove_all(run.prepared());
  }
}

Vit load_network(const RunFolder& run, const CaptureRequest& request, Monitor& monitor) {
  return request.prepare ? load_vit(run.prepared(), {}, monitor)
                         : load_vit(request.model, request.vit, monitor);
}

WriterStep refit_writers(Graft& graft, const Vit& teacher, std::vector<Picture> pictures,
                         const Yardstick& held_out, Monitor& monitor) {
  const Timer timer;
  WriterStep step;
  step.before = step.after = held_out.measure(graft.vit());
  const Tensors before = graft.vit().tensors();
  carry_scale(graft.vit(), carrier_images(teacher, std::move(pictures), monitor), {}, &teacher, monitor);
  const Distance after = held_out.measure(graft.vit());
  monitor.notice(fmt::format(
      "calibrate: writers of the stream refitted, divergence on pictures kept apart {:.4f} -> {:.4f}",
      step.before.kl, after.kl));
  if (after.kl < step.before.kl) {
    step.after = after;
  } else {
    graft.vit().tensors() = before;
  }
  step.seconds = timer.seconds();
  return step;
}

}  // namespace normgraft
