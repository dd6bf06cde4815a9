#include "normgraft/quantize/histogram.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace normgraft {
namespace {

Histogram histogram_of(const Tensor& x) {
  Histogram histogram{x.min().item<double>(), x.max().item<double>(), std::vector<double>(2048)};
  const Tensor counts = at::histc(x, 2048, histogram.low, histogram.high).to(at::kDouble);
  for (int64_t i = 0; i < 2048; ++i) histogram.counts[static_cast<size_t>(i)] = counts[i].item<double>();
  return histogram;
}

double error_of(const IntegerGrid& grid, const Tensor& x) {
  return (on_grid(grid, x) - x).square().mean().item<double>();
}

TEST(BestGrid, CutsOffARareFarValueForAFinerStep) {
  at::manual_seed(1);
  const Tensor x = at::cat({at::randn({1000000}), at::full({1}, 20.0)});
  const IntegerGrid whole = grid_between(x.min().item<double>(), 20, 8);
  const IntegerGrid best = best_grid(histogram_of(x), 8);
  EXPECT_LT(best.step, 0.75 * whole.step);
  EXPECT_LT(error_of(best, x), 0.7 * error_of(whole, x));
}

TEST(BestGrid, KeepsFarValuesThatAreWorthAStep) {
  at::manual_seed(2);
  const Tensor x = at::cat({at::randn({10000}), at::full({500}, 40.0)});
  const IntegerGrid best = best_grid(histogram_of(x), 8);
  EXPECT_NEAR(on_grid(best, at::full({1}, 40.0)).item<double>(), 40, 2);
}

TEST(BestGrid, TreatsBothSidesApart) {
  at::manual_seed(3);
  const Tensor x = at::gelu(3 * at::randn({100000}));  // from -0.17
  const IntegerGrid best = best_grid(histogram_of(x), 8);
  EXPECT_LT(on_grid(best, at::full({1}, -1.0)).item<double>(), -0.1);
  EXPECT_GT(on_grid(best, at::full({1}, -1.0)).item<double>(), -0.25);
  EXPECT_GT(on_grid(best, at::full({1}, 100.0)).item<double>(), 6);
}

}  // namespace
}  // namespace normgraft
