#include "normgraft/capture/capture.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <bitset>
#include <string_view>

#include "normgraft/capture/pairs.h"
#include "normgraft/core/error.h"
#include "normgraft/mapping/accumulator.h"
#include "normgraft/network/carrier.h"

namespace normgraft {
namespace {

std::span<const float> values_of(const Tensor& t, int64_t picture) {
  if (!t.defined()) return {};
  const int64_t pairs = t.numel() / t.size(0);
  return {t.data_ptr<float>() + picture * pairs, static_cast<size_t>(pairs)};
}

/// What the mapping of a site is made of.
struct AccumulatedPairs {
  Tensor x, y, weight, offset;
};

AccumulatedPairs accumulated(const Site& site, const SitePairs& pairs) {
  if (site.carried.channel) {
    const Tensor s = spread(site, pairs.x);
    return {s.log(), s.reciprocal(), pairs.token_weight, {}};
  }
  const double ratio = site.carried.ratio;
  return {pairs.x, pairs.y, pairs.weight, ratio > 0 ? carried_offset(pairs.x, ratio).contiguous() : Tensor()};
}

/// Which folds have pictures.
using Folds = std::bitset<kFolds>;

size_t index_of(Fold fold) {
  return static_cast<size_t>(fold);
}

void check_read(const Folds& listed, const Folds& read) {
  constexpr std::array<std::string_view, kFolds> kPurposes = {
      "in one half of those to fit to", "in one half of those to fit to", "to choose by", "to report on"};
  for (size_t i = 0; i < kPurposes.size(); ++i) {
    if (!listed[i] || read[i]) continue;
    throw InputError(
        fmt::format("capture: no picture {} could be read, expected at least one", kPurposes[i]));
  }
}

}  // namespace

Mappings capture(const Network& network, Loader& pictures, int64_t picture_count,
                 const std::function<Fold(int64_t position)>& fold, const CaptureOptions& options,
                 Monitor& monitor) {
  options.validate();
  std::vector<SiteAccumulator> accumulators;
  for (const Site& site : network.sites())
    accumulators.emplace_back(site.name, site.tokens, site.carried.channel ? 1 : site.channels);
  Folds listed, read;
  for (int64_t position = 0; position < picture_count; ++position) listed.set(index_of(fold(position)));
  const auto receive = [&](size_t site, const SitePairs& pairs) {
    const AccumulatedPairs kept = accumulated(network.sites()[site], pairs);
    for (int64_t i = 0; i < pairs.x.size(0); ++i) {
      const Fold of = fold(pairs.pictures[static_cast<size_t>(i)]);
      if (site == 0) read.set(index_of(of));
      accumulators[site].add_picture(of, values_of(kept.x, i), values_of(kept.y, i),
                                     values_of(kept.weight, i), values_of(kept.offset, i));
    }
  };
  for_each_pairs(network, pictures, picture_count, options.pairs, "capture", receive, monitor);
  check_read(listed, read);

  Mappings mappings;
  mappings.model = network.architecture().name();
  mappings.weighted = options.pairs.weights == Weights::kFisher;
  mappings.choose_part = listed[index_of(Fold::kChoose)];
  for (size_t i = 0; i < accumulators.size(); ++i) {
    mappings.sites.push_back(accumulators[i].finish(options.bins));
    mappings.sites.back().carried = network.sites()[i].carried;
    mappings.sites.back().channels = network.sites()[i].channels;
  }
  return mappings;
}

}  // namespace normgraft
