#include "ranges.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace normgraft {
namespace {

constexpr int64_t kParts = 4096;  ///< of a histogram
constexpr double kUnits = 1 << 24;

/// Adds the sums over rows of x [R, C].
void add_sums(std::vector<int64_t>& sums, const Tensor& x) {
  const Tensor fixed = (x.to(at::kDouble).sum(0) * kUnits).round().to(at::kLong).contiguous();
  sums.resize(static_cast<size_t>(fixed.numel()));
  for (size_t c = 0; c < sums.size(); ++c) sums[c] += fixed.data_ptr<int64_t>()[c];
}

}  // namespace

Tensor RangeWatcher::Place::mean(bool of_first_tokens) const {
  const auto count = static_cast<double>(of_first_tokens ? pictures : tokens);
  return at::tensor(of_first_tokens ? first_sums : sums, at::kLong).to(at::kDouble) / (kUnits * count);
}

Tensor RangeWatcher::kept(Kept kind, const std::string& name, const Tensor& x) const {
  if (!counting_) {
    const double low = x.min().item<double>(), high = x.max().item<double>();
    const Tensor largest = x.flatten(0, -2).abs().amax(0).to(at::kDouble).contiguous();
    const std::lock_guard lock(mutex_);
    const auto [found, fresh] = places_.try_emplace(name);
    Histogram& seen = found->second.seen;
    found->second.kind = kind;
    seen.low = fresh ? low : std::min(seen.low, low);
    seen.high = fresh ? high : std::max(seen.high, high);
    std::vector<double>& channels = found->second.largest;
    channels.resize(static_cast<size_t>(largest.numel()));
    for (size_t c = 0; c < channels.size(); ++c) {
      channels[c] = std::max(channels[c], largest.data_ptr<double>()[c]);
    }
    if (kind == Kept::kOperand) {
      Place& place = found->second;
      add_sums(place.sums, x.flatten(0, -2));
      add_sums(place.first_sums, x.dim() == 3 ? x.select(1, 0) : x.flatten(0, -2));
      place.tokens += x.numel() / x.size(-1);
      place.pictures += x.size(0);
    }
    return x;
  }
  Histogram& seen = places_.at(name).seen;
  if (seen.low == seen.high) return x;
  const Tensor counts = at::histc(x.flatten(), kParts, seen.low, seen.high).to(at::kDouble).contiguous();
  const std::lock_guard lock(mutex_);
  seen.counts.resize(kParts);
  for (int64_t i = 0; i < kParts; ++i) seen.counts[static_cast<size_t>(i)] += counts.data_ptr<double>()[i];
  return x;
}

}  // namespace normgraft
