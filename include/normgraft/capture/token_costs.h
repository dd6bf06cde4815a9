#pragma once

#include <vector>

#include "normgraft/network/carrier.h"

namespace normgraft {

/// What errors cost the answers of a network at each site, by the Fisher information of its own predictions
/// (draw_probe): of a relative error of a token's y, sum over channels, and of an error of its x. Means over
/// images [B, 3, height, width]; the first site has no costs of the stream but its own. For a network of
/// fewer than two classes all tokens cost alike.
std::vector<SiteCosts> token_costs(const Network& network, const Tensor& images, uint64_t seed);

}  // namespace normgraft
