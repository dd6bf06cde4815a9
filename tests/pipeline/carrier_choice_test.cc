#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "network/other_architecture.h"
#include "normgraft/core/error.h"
#include "run_network.h"
#include "support/small_model.h"

namespace normgraft {
namespace {

/// A network that ends in features: no Linear reads its last norm.
Network without_head() {
  const Network classifier = testing::small_vit();
  Tensors tensors = classifier.tensors();
  tensors.erase("head.weight");
  tensors.erase("head.bias");
  VitConfig config = testing::small_vit_config();
  config.classes = 0;
  return make_vit(config, classifier.preprocessing(), tensors);
}

TEST(BestCarrier, IsAChannelBeforeTheMeanBeforeNone) {
  EXPECT_EQ(best_carrier(testing::small_vit()), Carrier::kChannel);
  EXPECT_EQ(best_carrier(without_head()), Carrier::kMean);
  EXPECT_EQ(best_carrier(testing::post_norm(NormKind::kRmsNorm)), Carrier::kNone);
}

TEST(BestCarrier, IsNamedWhereAChannelIsAskedForThatCannotBeFreed) {
  Network network = without_head();
  try {
    prepare_network(network, Carrier::kChannel, {}, {}, silent_monitor());
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "capture: no channel of small_vit_test can be freed for a carrier, expected carrier mean");
  }
}

TEST(Carriers, HaveNames) {
  for (const Carrier carrier : {Carrier::kNone, Carrier::kMean, Carrier::kChannel})
    EXPECT_EQ(carrier_named(to_string(carrier)), carrier);
  EXPECT_EQ(to_string(Carrier::kChannel), "channel");
  EXPECT_THROW(carrier_named("chanel"), InputError);
}

}  // namespace
}  // namespace normgraft
