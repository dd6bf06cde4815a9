#include "normgraft/quantize/grid.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace normgraft {
namespace {

TEST(IntegerGrid, RoundsAsPyTorchsFakeQuantisation) {
  at::manual_seed(1);
  const Tensor x = 3 * at::randn({40, 30});
  for (const int bits : {8, 16}) {
    const IntegerGrid grid = grid_between(-2.5, 7, bits);
    const int64_t most = (int64_t{1} << bits) - 1;
    const Tensor expected = at::fake_quantize_per_tensor_affine(x, grid.step, -grid.least, 0, most);
    EXPECT_LT((on_grid(grid, x) - expected).abs().max().item<double>(), 1e-5) << bits;
  }
}

TEST(IntegerGrid, ReachesFromOneEndToTheOtherAndHoldsZero) {
  const IntegerGrid grid = grid_between(-1, 3, 8);
  const Tensor x = at::tensor({-9.0F, -1.0F, 0.0F, 3.0F, 9.0F});
  const Tensor y = on_grid(grid, x);
  EXPECT_EQ(y[2].item<double>(), 0);
  EXPECT_NEAR(y[0].item<double>(), -1, grid.step / 2);
  EXPECT_NEAR(y[4].item<double>(), 3, grid.step / 2);
  EXPECT_LE(std::get<0>(at::_unique(on_grid(grid, at::linspace(-9, 9, 5000)))).numel(), 256);
}

TEST(IntegerGrid, OfNothingButZeroLeavesZero) {
  EXPECT_EQ(on_grid(grid_between(0, 0, 8), at::zeros({3})).abs().max().item<double>(), 0);
}

TEST(WeightOnGrids, RoundsEachOutputChannelAsPyTorchsFakeQuantisation) {
  at::manual_seed(2);
  const Tensor weight = at::randn({6, 3, 4, 4}) * at::logspace(-3, 1, 6).view({6, 1, 1, 1});
  const Tensor steps = weight.flatten(1).abs().amax(1) / 127;
  const Tensor expected = at::fake_quantize_per_channel_affine(weight, steps, at::zeros({6}), 0, -127, 127);
  const Tensor error = (weight_on_grids(weight, 8) - expected).abs().flatten(1).amax(1);
  EXPECT_TRUE((error < 1e-3 * steps).all().item<bool>());
}

TEST(BlindWeightOnGrids, HasRowsOfWholeNumbersThatSumToZero) {
  at::manual_seed(3);
  Tensor weight = at::randn({50, 64});
  weight = weight - weight.mean(1, true);
  const Tensor steps = weight.abs().amax(1, true) / 127;
  const auto sums = [&](const Tensor& rounded) { return (rounded / steps).round().sum(1).abs(); };
  EXPECT_GT(sums(weight_on_grids(weight, 8)).max().item<double>(), 2);  // what it is there for
  const Tensor blind = blind_weight_on_grids(weight, 8);
  EXPECT_EQ(sums(blind).max().item<double>(), 0);
  EXPECT_TRUE(
      ((blind - weight).abs() <= steps * 1.001).all().item<bool>());  // a neighbour, if not the nearest
  EXPECT_TRUE((blind.abs() <= steps * 127.001).all().item<bool>());
}

TEST(BlindWeightOnGrids, MovesAsFewNumbersAsItCan) {
  const Tensor weight = at::tensor({1.0F, 0.504F, -0.502F, -1.002F}).view({1, 4});
  const Tensor nearest = weight_on_grids(weight, 8), blind = blind_weight_on_grids(weight, 8);
  const double step = 1.002 / 127;
  const double off = std::abs((nearest / step).round().sum().item<double>());
  EXPECT_EQ(((blind - nearest).abs() > step / 2).sum().item<double>(), off);
}

}  // namespace
}  // namespace normgraft
