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
    let_mean_carry_scale(teacher_, {images, {}}, {}, silent_monitor());
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
  const WriterStep step = refit_writers(graft, teacher_, fit_, {}, yardstick, silent_monitor());
  EXPECT_NEAR(step.before.kl, before, 1e-9);
  EXPECT_LT(step.after.kl, 0.6 * before);
  EXPECT_NEAR(yardstick.measure(graft.network()).kl, step.after.kl, 1e-9);
}

TEST_F(RefitWriters, LeavesAGraftThatCannotComeNearerAsItWas) {
  Graft graft(teacher_);
  const Yardstick yardstick(teacher_, judge_, silent_monitor());
  const WriterStep step = refit_writers(graft, teacher_, fit_, {}, yardstick, silent_monitor());
  EXPECT_EQ(step.after.kl, step.before.kl);
  for (const auto& [name, tensor] : graft.network().tensors())
    EXPECT_TRUE(at::equal(tensor, teacher_.tensors().at(name))) << name;
}

/// A graft of a network whose channel tells the spread, with x exp(-r) nearly.
Graft channel_graft(const Network& teacher) {
  Graft graft(teacher);
  for (const Site& site : teacher.sites())
    graft.set_function(site.name, Expression::parse("x*clip(1-r+0.4*r*r, 0.05, 8)"));
  return graft;
}

TEST_F(RefitWriters, BringsAGraftThatReadsRNearerWithPicturesToChooseBy) {
  Network teacher = testing::small_vit();
  const Tensor images = walk_images(teacher, fit_, 0, "test", silent_monitor());
  const WalkImages walk{images, {}};
  let_channel_carry_scale(teacher, walk, carrier_options(teacher, walk), silent_monitor());
  const Yardstick yardstick(teacher, judge_, silent_monitor());
  testing::write_small_pictures(folder_ / "choose", 3, 8, 3);
  Graft chosen = channel_graft(teacher), alone = channel_graft(teacher);
  const WriterStep step = refit_writers(chosen, teacher, fit_, testing::pictures_in(folder_ / "choose"),
                                        yardstick, silent_monitor());
  EXPECT_LT(step.after.kl, step.before.kl);
  EXPECT_NEAR(yardstick.measure(chosen.network()).kl, step.after.kl, 1e-9);
  refit_writers(alone, teacher, fit_, {}, yardstick, silent_monitor());
  const std::string writer = "blocks.1.attn.proj.weight";
  EXPECT_FALSE(at::equal(chosen.network().tensors().at(writer), alone.network().tensors().at(writer)));
  for (size_t site = 0; site < teacher.sites().size(); ++site)
    EXPECT_EQ(chosen.network().sites()[site].carried, teacher.sites()[site].carried) << site;
}

TEST_F(RefitWriters, TakesItsCostsOfTokensFromTheNetwork) {
  const WalkImages walk{walk_images(teacher_, fit_, 0, "test", silent_monitor()), {}};
  const CarrierOptions options = carrier_options(teacher_, walk);
  ASSERT_EQ(options.costs.size(), teacher_.sites().size());
  EXPECT_EQ(options.costs.back().scale.patches, 0);  // the head reads the class token alone
  EXPECT_GT(options.costs.back().scale.prefix, 0);
  EXPECT_GT(options.costs[1].stream.patches, 0);
}

}  // namespace
}  // namespace normgraft
