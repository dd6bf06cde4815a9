#include "class_metric.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "normgraft/network/carrier.h"
#include "normgraft/network/stream.h"
#include "support/small_model.h"

namespace normgraft {
namespace {

TEST(ClassMetric, IsTheInverseOfWhatClassesDifferByAlongItsAxes) {
  const Network network = testing::small_vit();
  const Tensor rows =
      (network.tensors().at("head.weight") * network.tensors().at("norm.weight")).to(at::kDouble);
  const Tensor mean = rows.mean(0, true);
  const Tensor q = class_metric(network).to(at::kDouble);
  const Tensor lengths = q.square().sum(0).sqrt();  // 1 / l, in units of the largest
  EXPECT_NEAR(lengths.min().item<double>(), 1, 1e-5);
  EXPECT_NEAR(lengths.max().item<double>(), 1e4, 1);  // 3 classes differ in 2 directions
  const Tensor seen = (rows - mean).matmul(q / lengths).square().sum(0);
  const Tensor expected = seen.max() / lengths;
  for (int64_t axis = 0; axis < q.size(1); ++axis) {
    if (lengths[axis].item<double>() > 1e3) continue;
    EXPECT_NEAR(seen[axis].item<double>(), expected[axis].item<double>(), 1e-4 * seen.max().item<double>());
  }
}

TEST(ClassMetric, IsUndefinedWhereNoSingleTokenIsRead) {
  VitConfig config = testing::small_vit_config();
  config.pooling = Pooling::kAverage;
  const Network small = testing::small_vit();
  EXPECT_TRUE(class_metric(small).defined());
  EXPECT_FALSE(class_metric(make_vit(config, small.preprocessing(), small.tensors())).defined());
}

/// The part of row 0 that no combination of the other rows gives.
double own_part_of_row_0(const Network& network, const std::string& writer) {
  const Tensor weight = network.tensors().at(writer).to(at::kDouble);
  const Tensor row = weight[0], others = weight.slice(0, 1);
  const Tensor axes = std::get<2>(at::linalg_svd(others, /*full_matrices=*/false));
  const Tensor outside = row - axes.t().matmul(axes.matmul(row));
  return (outside.norm() / row.norm()).item<double>();
}

TEST(ClassMetric, LetsTheLastWritersTellByWhatTheyWriteWhereThereAreFewPicturesOfEachClass) {
  const at::NoGradGuard no_grad;
  at::manual_seed(5);
  const Tensor images = at::randn({64, 3, 32, 32});
  Network network = testing::small_vit(), shown = network;
  let_channel_carry_scale(network, {images.slice(0, 0, 29), {}}, {.units = 0}, silent_monitor());
  EXPECT_LT(own_part_of_row_0(network, "blocks.1.mlp.fc2.weight"), 1e-3);
  let_channel_carry_scale(shown, {images.slice(0, 0, 30), {}}, {.units = 0}, silent_monitor());
  EXPECT_GT(own_part_of_row_0(shown, "blocks.1.mlp.fc2.weight"), 0.1) << "ten of each of three classes";

  VitConfig config = testing::small_vit_config();
  config.pooling = Pooling::kAverage;
  const Network small = testing::small_vit();
  Network averaged = make_vit(config, small.preprocessing(), small.tensors());
  let_channel_carry_scale(averaged, {images.slice(0, 0, 29), {}}, {.units = 0}, silent_monitor());
  EXPECT_GT(own_part_of_row_0(averaged, "blocks.1.mlp.fc2.weight"), 0.1);
}

}  // namespace
}  // namespace normgraft
