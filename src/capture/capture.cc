#include "normgraft/capture/capture.h"

#include <fmt/format.h>

#include <memory>

#include "normgraft/core/require.h"
#include "normgraft/mapping/accumulator.h"
#include "normgraft/vit/carrier.h"

namespace normgraft {
namespace {

std::span<const float> values_of(const torch::Tensor& t, int64_t picture) {
  if (!t.defined()) return {};
  const int64_t pairs = t.numel() / t.size(0);
  return {t.data_ptr<float>() + picture * pairs, static_cast<size_t>(pairs)};
}

void add_pairs(SiteAccumulator& accumulator, const SitePairs& pairs, const torch::Tensor& offset) {
  for (int64_t picture = 0; picture < pairs.x.size(0); ++picture) {
    accumulator.add_picture(values_of(pairs.x, picture), values_of(pairs.y, picture),
                            values_of(pairs.weight, picture), values_of(offset, picture));
  }
}

}  // namespace

void CaptureOptions::validate() const {
  if (bins < 16 || bins > 65536)
    throw InputError(fmt::format("capture: bins is {}, expected 16 to 65536", bins));
  require(carried >= 0, "capture", "carried", carried, "a ratio of at least 0");
  pairs.validate();
}

Mappings capture(const Vit& vit, Loader& pictures, int64_t picture_count, const CaptureOptions& options,
                 Monitor& monitor) {
  options.validate();
  std::vector<std::unique_ptr<SiteAccumulator>> accumulators(vit.sites().size());
  const auto receive = [&](size_t site, const SitePairs& pairs) {
    auto& accumulator = accumulators[site];
    if (!accumulator) {
      const torch::Tensor& x = pairs.x;
      accumulator = std::make_unique<SiteAccumulator>(vit.sites()[site].name,
                                                      x.numel() / x.size(0) / x.size(-1), x.size(-1));
    }
    const bool carried = options.carried > 0 && carries_scale(vit, site);
    add_pairs(*accumulator, pairs,
              carried ? carried_offset(pairs.x, options.carried).contiguous() : torch::Tensor());
  };
  for_each_pairs(vit, pictures, picture_count, options.pairs, "capture", receive, monitor);

  Mappings mappings;
  mappings.model = vit.config().architecture;
  mappings.weighted = options.pairs.weights == Weights::kFisher;
  for (const auto& accumulator : accumulators) mappings.sites.push_back(accumulator->finish(options.bins));
  return mappings;
}

}  // namespace normgraft
