#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "normgraft/core/names.h"
#include "normgraft/cost/accelerator.h"
#include "normgraft/expr/expression.h"

namespace normgraft {

// What the norm sites and products of a network cost on an accelerator, for one picture. docs/accelerator.md
// has every formula with its source. Shapes: N tokens of D channels.

/// What a norm does together with its neighbours. h is what the Linear before it adds to the stream x.
enum class Fusion : uint8_t {
  kUnfused,     ///< x + h is a pass of its own over all tokens, the norm another
  kFused,       ///< one pass: reads x and h, writes x + h and y
  kIntoLinear,  ///< kFused, and y stays on the chip for the next Linear, where a token fits the buffer
};
inline constexpr std::array<Named<Fusion>, 3> kFusions = {
    {{"unfused", Fusion::kUnfused}, {"fused", Fusion::kFused}, {"into_linear", Fusion::kIntoLinear}}};

/// One norm site, as LayerNorm or as a function.
struct NormWork {
  std::string name;
  int64_t tokens = 0;                ///< N
  int64_t channels = 0;              ///< D
  bool adds = true;                  ///< a Linear before it adds h to the stream
  bool goes_on = true;               ///< x + h is read again behind the site
  std::optional<Expression> f = {};  ///< nothing: LayerNorm
};

/// Products between two places where numbers are kept: a Linear, or the two of an attention. Counts of
/// numbers, each read or written once.
struct ProductWork {
  std::string name;
  double ops = 0;  ///< a multiplication and an addition are two
  double read = 0, written = 0;
  double of_sites = 0;        ///< of those read, what a norm site wrote
  int64_t site_channels = 0;  ///< D of that site
  double stream_written = 0;  ///< beside `written`: numbers of the residual stream
  double weights = 0;
};

/// All sums but the buffer, which one site after another uses: there it is the largest.
struct RooflineCost {
  double ops = 0;
  double buffer_bits = 0;          ///< on-chip, beside what arithmetic holds in its stages
  double bytes = 0;                ///< off-chip, read and written
  double first_output_clocks = 0;  ///< from the first element that enters to the first y, by dependence alone
  double energy_pj = 0;            ///< arithmetic, the token buffer and off-chip traffic, 45 nm
  double seconds = 0;              ///< roofline: each pass takes as long as the slowest of what it needs
};
RooflineCost& operator+=(RooflineCost& sum, const RooflineCost& cost);

/// Whether a token of the stream, its mean and its spread fit the buffer.
bool token_fits(int64_t channels, const Accelerator& accelerator);

RooflineCost norm_cost(const NormWork& norm, Fusion fusion, const Accelerator& accelerator);
RooflineCost product_cost(const ProductWork& product, Fusion fusion, const Accelerator& accelerator);

/// What a network computes: its norm sites in their order, and all products.
struct NetworkWork {
  std::vector<NormWork> norms;
  std::vector<ProductWork> products;
};

/// A cost for each Fusion, in the order of kFusions.
using FusionCosts = std::array<RooflineCost, kFusions.size()>;
inline const RooflineCost& at(const FusionCosts& costs, Fusion fusion) {
  return costs[static_cast<size_t>(fusion)];
}

struct NetworkRoofline {
  std::vector<FusionCosts> sites;        ///< in the order of NetworkWork::norms
  FusionCosts norms, products, network;  ///< sums; `network` is both
};
NetworkRoofline network_roofline(const NetworkWork& work, const Accelerator& accelerator);

/// A network with its LayerNorms beside the same with functions.
struct AcceleratorCost {
  Accelerator accelerator;
  std::vector<std::string> sites;  ///< their names
  std::vector<bool> replaced;      ///< by site
  NetworkRoofline layernorm, graft;
  int64_t token_bits = 0;   ///< the largest token of the stream
  bool token_fits = false;  ///< at all sites
  int64_t stream_bits = 0;  ///< all tokens of a picture; where they fit the buffer, no norm needs traffic
  bool stream_fits = false;
};
/// Both have the same sites; the first holds no functions.
AcceleratorCost compare_on(const Accelerator& accelerator, const NetworkWork& layernorm,
                           const NetworkWork& graft);

/// `cost --json`, under "accelerator": docs/accelerator.md.
Json to_json(const AcceleratorCost& cost);

}  // namespace normgraft
