#include "operand_grids.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "normgraft/graft/yardstick.h"
#include "normgraft/network/batches.h"
#include "normgraft/quantize/grid.h"

namespace normgraft {
namespace {

constexpr double kNarrower[] = {1, 0.85, 0.7};  ///< of the range seen, tried beside the least squared error
constexpr double kNear[] = {0.5, 0.25,
                            0.125};  ///< of the furthest reach: inputs beyond may have a grid of their own
constexpr double kNarrowerOfTwo[] = {1, 0.85};
constexpr double kLossToDivide = 1e-4;  ///< nats, below which a place is left whole
constexpr double kWorth = 0.75;       ///< of the loss of a wider grid, below which a narrower one is worth it
constexpr double kLeastGain = 1e-5;   ///< nats, likewise
constexpr double kWideMargin = 1.25;  ///< of 16 bits beyond what was seen

class OnePlace : public Arithmetic {
 public:
  OnePlace(std::string name, OperandGrid operand) : name_(std::move(name)), operand_(std::move(operand)) {}
  Tensor kept(Kept, const std::string& place, const Tensor& x) const override {
    return place == name_ ? on_grids(operand_, x) : x;
  }

 private:
  std::string name_;
  OperandGrid operand_;
};

/// The logits from x of a site.
Tensor from(const Network& network, size_t site, Tensor x) {
  for (; site + 1 < network.sites().size(); ++site) x = network.pass(site, x);
  return network.leave(x);
}

Histogram narrowed(Histogram seen, double factor) {
  seen.low *= factor;
  seen.high *= factor;
  return seen;
}

std::vector<OperandGrid> of_one_grid(const Histogram& seen, bool symmetric) {
  std::vector<OperandGrid> grids;
  for (const double factor : kNarrower) grids.push_back({full_grid(narrowed(seen, factor), symmetric, 8)});
  grids.push_back({symmetric ? symmetric_grid(best_step(seen, 8) * 127, 8) : best_grid(seen, 8)});
  return grids;
}

/// The grid of those among `inputs` at a place.
IntegerGrid grid_of(const RangeWatcher::Place& place, const Tensor& largest, const Tensor& inputs,
                    double factor) {
  const double reach = factor * largest.index_select(0, inputs).max().item<double>();
  Histogram own;
  own.low = std::max(factor * place.seen.low, -reach);
  own.high = std::min(factor * place.seen.high, reach);
  return full_grid(own, /*symmetric=*/false, 8);
}

std::vector<OperandGrid> of_two_grids(const RangeWatcher::Place& place) {
  const Tensor largest = at::tensor(place.largest, at::kDouble);
  std::vector<OperandGrid> grids;
  for (const double share : kNear) {
    const Tensor is_far = largest > share * largest.max();
    const Tensor far = is_far.nonzero().flatten(), near = is_far.logical_not().nonzero().flatten();
    if (near.numel() == 0) continue;
    for (const double factor : kNarrowerOfTwo) {
      grids.push_back({grid_of(place, largest, near, factor), 0, far, grid_of(place, largest, far, factor)});
    }
  }
  return grids;
}

}  // namespace

Tensor on_grids(const OperandGrid& operand, const Tensor& x) {
  Tensor kept = on_grid(operand.grid, x);
  if (!operand.far.defined()) return kept;
  return kept.index_copy_(-1, operand.far, on_grid(operand.far_grid, x.index_select(-1, operand.far)));
}

IntegerGrid full_grid(const Histogram& seen, bool symmetric, int bits) {
  if (symmetric) return symmetric_grid(std::max(std::abs(seen.low), std::abs(seen.high)), bits);
  return grid_between(std::min(seen.low, 0.0), std::max(seen.high, 0.0), bits);
}

std::map<std::string, OperandGrid> choose_operand_grids(
    Network& network, const Tensor& images, const std::map<std::string, RangeWatcher::Place>& seen,
    const std::vector<OperandPlace>& places, Monitor& monitor) {
  network.set_arithmetic(nullptr);
  const Tensor exact = network.forward(images);
  size_t site = 0;
  Tensor x = over_pictures(images, [&](const Tensor& some) { return network.enter(some); });
  std::map<std::string, OperandGrid> chosen;
  for (const OperandPlace& place : places) {
    network.set_arithmetic(nullptr);
    for (; site < place.site; ++site)
      x = over_pictures(x, [&](const Tensor& some) { return network.pass(site, some); });
    const Histogram& range = seen.at(place.name).seen;
    OperandGrid& best = chosen[place.name];
    best.loss = std::numeric_limits<double>::infinity();
    const auto choose = [&](std::vector<OperandGrid> candidates) {
      for (OperandGrid& candidate : candidates) {
        network.set_arithmetic(std::make_shared<OnePlace>(place.name, candidate));
        const Tensor logits = over_pictures(x, [&](const Tensor& some) { return from(network, site, some); });
        candidate.loss = divergence(exact, logits).mean().item<double>();
        if (candidate.loss < kWorth * best.loss && candidate.loss < best.loss - kLeastGain) best = candidate;
        monitor.check();
      }
    };
    choose(of_one_grid(range, place.symmetric));
    if (place.divides && best.loss > kLossToDivide) choose(of_two_grids(seen.at(place.name)));
    if (best.loss > kMostLoss)
      best = {full_grid(narrowed(range, kWideMargin), place.symmetric, 16), best.loss};
    monitor.progress("choose ranges", static_cast<int64_t>(chosen.size()),
                     static_cast<int64_t>(places.size()), "places");
  }
  network.set_arithmetic(nullptr);
  return chosen;
}

}  // namespace normgraft
