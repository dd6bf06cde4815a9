#include "mixed_tokens.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "normgraft/network/network.h"
#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

constexpr double kNearest = 0.2, kFurthest = 1.8;  ///< of the way from the mean

}  // namespace

Tensor mixed_tokens(const Site& site, const Tensor& x, int64_t count, uint64_t seed) {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const auto drawn = [&] { return at::randint(x.size(0), {count}, generator, at::kLong); };
  const Tensor one = drawn(), other = drawn();
  const Tensor share = at::rand({count, 1}, generator);
  const Tensor way = kNearest + (kFurthest - kNearest) * at::rand({count, 1}, generator);

  const Tensor s = spread(site, x).unsqueeze(-1), wrong = x.slice(-1, 0, 1) - s.log();
  const Tensor direction = without_carrier(x) / s, mean = direction.mean(0, true);
  const auto at_one = [&](const Tensor& of) { return of.index_select(0, one); };
  const auto at_other = [&](const Tensor& of) { return of.index_select(0, other); };
  const Tensor between = at_one(direction) * share + at_other(direction) * (1 - share);
  const Tensor mixed = mean + way * (between - mean);
  const Tensor own = mixed * at_one(s) / spread(site, mixed).unsqueeze(-1);
  return at::cat({at_one(s).log() + at_other(wrong), own.slice(-1, 1)}, -1);
}

}  // namespace normgraft
