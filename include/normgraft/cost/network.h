#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "normgraft/cost/profile.h"
#include "normgraft/expr/expression.h"

namespace normgraft {

/// One norm site of a model, for counting: N tokens of D channels pass it for each picture.
struct SiteShape {
  std::string name;
  int64_t tokens = 0;
  int64_t channels = 0;
};

/// What all norm sites cost for one picture.
struct NormCost {
  double ops = 0;        ///< in the profile's unit
  double bytes = 0;      ///< of off-chip traffic, F32
  double energy_pj = 0;  ///< arithmetic and traffic, 45 nm
};

/// Every site as LayerNorm, in a pass of its own, on a chip that cannot hold a token. Traffic: the token is
/// read for its statistics, read again to be normalised, and written once. roofline.h counts fused passes and
/// chips that can. Energy: 2.3 pJ an operation (mean of an FP32 addition, 0.9, and multiplication, 3.7) and
/// 640 pJ for each 4 bytes of DRAM traffic (Horowitz, ISSCC 2014).
NormCost layernorm_cost(const std::vector<SiteShape>& sites);

/// The sites in `functions` as scalar functions, the others as LayerNorm. A function reads each number once
/// and writes it once: it is counted as a kernel of its own. Fused into a neighbour it would have no traffic
/// at all. What does not depend on x is counted once a token.
NormCost graft_cost(const std::vector<SiteShape>& sites, const std::map<std::string, Expression>& functions,
                    const Profile& profile);

}  // namespace normgraft
