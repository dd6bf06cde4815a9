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
constexpr double kWorth = 0.75;       ///< of the loss of a wider grid, below which a narrower one is worth it
constexpr double kLeastGain = 1e-5;   ///< nats, likewise
constexpr double kWideMargin = 1.25;  ///< of 16 bits beyond what was seen

class OnePlace : public Arithmetic {
 public:
  OnePlace(std::string name, const IntegerGrid& grid) : name_(std::move(name)), grid_(grid) {}
  Tensor kept(Kept, const std::string& place, const Tensor& x) const override {
    return place == name_ ? on_grid(grid_, x) : x;
  }

 private:
  std::string name_;
  IntegerGrid grid_;
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

std::vector<IntegerGrid> candidates(const Histogram& seen, bool symmetric) {
  std::vector<IntegerGrid> grids;
  for (const double factor : kNarrower) grids.push_back(full_grid(narrowed(seen, factor), symmetric, 8));
  grids.push_back(symmetric ? symmetric_grid(best_step(seen, 8) * 127, 8) : best_grid(seen, 8));
  return grids;
}

}  // namespace

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
    for (const IntegerGrid& grid : candidates(range, place.symmetric)) {
      network.set_arithmetic(std::make_shared<OnePlace>(place.name, grid));
      const Tensor logits = over_pictures(x, [&](const Tensor& some) { return from(network, site, some); });
      const double loss = divergence(exact, logits).mean().item<double>();
      if (loss < kWorth * best.loss && loss < best.loss - kLeastGain) best = {grid, loss};
      monitor.check();
    }
    if (best.loss > kMostLoss) best.grid = full_grid(narrowed(range, kWideMargin), place.symmetric, 16);
    monitor.progress("choose ranges", static_cast<int64_t>(chosen.size()),
                     static_cast<int64_t>(places.size()), "places");
  }
  network.set_arithmetic(nullptr);
  return chosen;
}

}  // namespace normgraft
