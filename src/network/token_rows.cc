#include "token_rows.h"

#include <algorithm>

namespace normgraft {
namespace {

constexpr int64_t kPatchRows = 1 << 15;  ///< that are enough
constexpr double kLeastShare = 0.02;     ///< of the costs, for either kind of token

}  // namespace

TokenRows::TokenRows(int64_t pictures, int64_t tokens, int64_t prefix, size_t site)
    : prefix_(prefix), patches_(tokens - prefix) {
  const int64_t stride =
      std::clamp<int64_t>(pictures * patches_ / kPatchRows, 1, std::max<int64_t>(patches_, 1));
  const int64_t first = prefix + static_cast<int64_t>(site) % stride;
  tokens_ =
      at::cat({at::arange(prefix, at::kLong), at::arange(first, std::max(first, tokens), stride, at::kLong)});
}

Tensor TokenRows::weights(const TokenCosts& costs, int64_t pictures, const Tensor& spread) const {
  const double all = costs.prefix + costs.patches;
  const auto share = [&](double cost, int64_t count) {
    return count > 0 ? std::max(all > 0 ? cost / all : 1, kLeastShare) / static_cast<double>(count) : 0.0;
  };
  Tensor weight = at::full({pictures, tokens_.size(0)}, share(costs.patches, tokens_.size(0) - prefix_));
  weight.slice(1, 0, prefix_).fill_(share(costs.prefix, prefix_));
  if (spread.defined()) weight = weight / spread.index_select(1, tokens_).square();
  return weight.flatten();
}

}  // namespace normgraft
