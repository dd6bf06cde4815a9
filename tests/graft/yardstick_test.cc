#include "normgraft/graft/yardstick.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "normgraft/core/error.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::TemporaryFolder;

TEST(Yardstick, MeasuresNoDistanceFromTheTeacherItself) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 15);
  const Network teacher = small_vit();
  const Distance distance =
      Yardstick(teacher, testing::pictures_in(folder / "pictures"), silent_monitor()).measure(teacher);
  EXPECT_NEAR(distance.kl, 0, 1e-12);
  EXPECT_EQ(distance.agreement, 1);
}

TEST(Yardstick, RefusesToMeasureOnNothing) {
  EXPECT_THROW(Yardstick(small_vit(), {}, silent_monitor()), InputError);
}

TEST(Divergence, IsLibTorchsKullbackLeibler) {
  at::manual_seed(3);
  const Tensor teacher = at::randn({6, 9}), model = at::randn({6, 9});
  const Tensor oracle = at::kl_div(model.log_softmax(1), teacher.softmax(1), at::Reduction::None).sum(1);
  EXPECT_TRUE(at::allclose(divergence(teacher, model).to(at::kFloat), oracle, 1e-4, 1e-6));
}

}  // namespace
}  // namespace normgraft
