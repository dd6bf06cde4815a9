#include "normgraft/capture/options.h"

#include <array>

#include "normgraft/core/names.h"
#include "normgraft/core/require.h"

namespace normgraft {
namespace {

constexpr std::array<Named<Weights>, 2> kWeights = {{{"none", Weights::kNone}, {"fisher", Weights::kFisher}}};

}  // namespace

Weights weights_named(const std::string& name) {
  return value_named<Weights>(kWeights, "weights", name);
}

std::string to_string(Weights weights) {
  return name_of<Weights>(kWeights, weights);
}

void PairOptions::validate() const {
  require_within("capture", "label samples", probes, 1, 1000);
}

void CaptureOptions::validate() const {
  require_within("capture", "bins", bins, size_t{16}, size_t{65536});
  pairs.validate();
}

}  // namespace normgraft
