#include "normgraft/calibrate/writers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "normgraft/network/carrier.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::TemporaryFolder;

class RefitWriters : public ::testing::Test {
 protected:
  RefitWriters() {
    testing::write_small_pictures(folder_ / "fit", 3, 20, 1);
    testing::write_small_pictures(folder_ / "judge", 3, 10, 2);
    fit_ = testing::pictures_in(folder_ / "fit");
    judge_ = testing::pictures_in(folder_ / "judge");
    const Tensor images = walk_images(teacher_, fit_, 0, "test", silent_monitor());
    let_mean_carry_scale(teacher_, images, {}, silent_monitor());
  }

  TemporaryFolder folder_;
  std::vector<Picture> fit_, judge_;
  Network teacher_ = testing::small_vit();
};

TEST_F(RefitWriters, BringsAGraftNearerOnPicturesKeptApart) {
  Graft graft(teacher_);
  for (const Site& site : teacher_.sites()) {
    if (site.writer) graft.set_function(site.name, Expression::parse("5*log(max(x, 1))"));
  }
  const Yardstick yardstick(teacher_, judge_, silent_monitor());
  const double before = yardstick.measure(graft.network()).kl;
  const WriterStep step = refit_writers(graft, teacher_, fit_, yardstick, silent_monitor());
  EXPECT_NEAR(step.before.kl, before, 1e-9);
  EXPECT_LT(step.after.kl, 0.6 * before);
  EXPECT_NEAR(yardstick.measure(graft.network()).kl, step.after.kl, 1e-9);
}

TEST_F(RefitWriters, LeavesAGraftThatCannotComeNearerAsItWas) {
  Graft graft(teacher_);
  const Yardstick yardstick(teacher_, judge_, silent_monitor());
  const WriterStep step = refit_writers(graft, teacher_, fit_, yardstick, silent_monitor());
  EXPECT_EQ(step.after.kl, step.before.kl);
  for (const auto& [name, tensor] : graft.network().tensors())
    EXPECT_TRUE(at::equal(tensor, teacher_.tensors().at(name))) << name;
}

}  // namespace
}  // namespace normgraft
