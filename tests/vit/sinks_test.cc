#include "normgraft/vit/sinks.h"

#include <gtest/gtest.h>

#include <set>

#include "normgraft/vit/stream.h"
#include "support/sink.h"
#include "vit/fixtures.h"

namespace normgraft {
namespace {

using testing::small_images;
using testing::with_sink;

constexpr int64_t kSinkToken = 3;

SinkLift found_sinks() {
  return find_sinks(with_sink(testing::small_vit()), small_images(8)).value();
}

TEST(FindSinks, NamesTheUnitThatMakesThemAndTwoThatDoNothing) {
  const SinkLift lift = found_sinks();
  EXPECT_EQ(lift.block, 0);
  EXPECT_EQ(lift.unit, 5);
  EXPECT_EQ((std::set<int64_t>{lift.carriers[0].unit, lift.carriers[1].unit}), (std::set<int64_t>{2, 9}));
}

TEST(FindSinks, FindsNoneInANetworkWithoutAny) {
  EXPECT_FALSE(find_sinks(testing::small_vit(), small_images(8)));
}

TEST(LiftSinks, LeavesTheLogitsAsTheyWere) {
  const torch::NoGradGuard no_grad;
  const Vit original = with_sink(testing::small_vit());
  Vit lifted = original;
  lift_sinks(lifted, found_sinks());
  EXPECT_LT(testing::relative_error(lifted.forward(small_images(5)), original.forward(small_images(5))), 1e-4);
}

TEST(LiftSinks, MovesSinksBeyondAllOtherTokensInEveryChannelAndNothingElse) {
  const torch::NoGradGuard no_grad;
  Vit original = with_sink(testing::small_vit());
  centre_stream(original);
  Vit lifted = original;
  const SinkLift lift = find_sinks(original, small_images(8)).value();
  lift_sinks(lifted, lift);
  std::vector<torch::Tensor> before;
  original.forward(small_images(8), [&](size_t, const torch::Tensor& x, const torch::Tensor&) { before.push_back(x); });
  lifted.forward(small_images(8), [&](size_t site, const torch::Tensor& x, const torch::Tensor&) {
    const double offset = site < 2 ? 0 : lift.offset;
    torch::Tensor expected = before[site].clone();
    if (x.dim() == 3) expected.select(1, kSinkToken) += offset;
    EXPECT_LT((x - expected).abs().max().item<double>(), 1e-2) << site;
    if (site < 2 || x.size(1) <= kSinkToken) return;
    const torch::Tensor others = torch::cat({x.slice(1, 0, kSinkToken), x.slice(1, kSinkToken + 1)}, 1);
    EXPECT_LT(2 * others.abs().max().item<double>(), offset) << site;
  });
}

TEST(LiftSinks, GivesTheMeanOfTheCarriersToTheBias) {
  const torch::NoGradGuard no_grad;
  Vit vit = with_sink(testing::small_vit());
  const torch::Tensor before = vit.tensors().at("blocks.0.mlp.fc2.bias").clone();
  const torch::Tensor column = vit.tensors().at("blocks.0.mlp.fc2.weight").select(1, 7).clone();
  SinkLift lift = found_sinks();
  lift.carriers[1] = {7, 0.25};
  lift_sinks(vit, lift);
  EXPECT_TRUE(torch::allclose(vit.tensors().at("blocks.0.mlp.fc2.bias"), before + 0.25 * column));
}

TEST(LiftSinks, RefusesABlockOrUnitThatTheModelDoesNotHave) {
  Vit vit = with_sink(testing::small_vit());
  const auto message = [&](const SinkLift& lift) { return testing::input_error([&] { lift_sinks(vit, lift); }); };
  SinkLift lift = found_sinks();
  lift.block = 2;
  EXPECT_EQ(message(lift), "sinks: the model has no block 2, expected 0 to 1");
  lift = found_sinks();
  lift.carriers[0].unit = 24;
  EXPECT_EQ(message(lift), "sinks: no hidden unit 24 in blocks.0.mlp.fc1, expected 0 to 23");
}

}  // namespace
}  // namespace normgraft
