#include "normgraft/calibrate/sequential.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::TemporaryFolder;

constexpr const char* kFunction = "1.3*clip(0.7*x, -1.1, 1.2)";

Graft graft_with(const std::string& text) {
  Graft graft(small_vit());
  for (const Site& site : graft.network().sites()) graft.set_function(site.name, Expression::parse(text));
  return graft;
}

/// Pictures to fit on and pictures to judge on.
struct Pictures {
  explicit Pictures(int per_class = 30) {
    testing::write_small_pictures(folder / "fit", 3, per_class, 1);
    testing::write_small_pictures(folder / "judge", 3, per_class / 2, 2);
    fit = testing::pictures_in(folder / "fit");
    judge = testing::pictures_in(folder / "judge");
  }
  TemporaryFolder folder;
  std::vector<Picture> fit, judge;
};

TEST(Sequential, UndoesMostOfWhatMovedParametersDid) {
  const at::NoGradGuard no_grad;
  const Pictures pictures;
  const Graft teacher = graft_with(kFunction);
  Graft student = graft_with("1.25*clip(0.73*x, -1.0, 1.25)");
  at::manual_seed(7);
  for (const Site& site : student.network().sites()) {
    Tensor& gamma = student.network().tensors().at(site.gamma);
    gamma = gamma * (1 + 0.05 * at::randn_like(gamma));
    Tensor& beta = student.network().tensors().at(site.beta);
    beta = beta + 0.05 * at::randn_like(beta);
  }
  const Yardstick yardstick(teacher.network(), pictures.judge, silent_monitor());
  const double before = yardstick.measure(student.network()).kl;
  SequentialOptions options;
  options.sweeps = 6;
  const auto steps =
      calibrate_sequential(student, teacher.network(), pictures.fit, yardstick, options, silent_monitor());
  ASSERT_GE(steps.size(), 2U);
  EXPECT_NEAR(steps.front().before.kl, before, 1e-9);
  EXPECT_LT(yardstick.measure(student.network()).kl, 0.4 * before);
  EXPECT_NEAR(yardstick.measure(student.network()).kl, steps.back().after.kl, 1e-9);
}

TEST(Sequential, NeverLeavesTheGraftFurtherFromItsTeacherOnPicturesKeptApart) {
  const at::NoGradGuard no_grad;
  const Pictures pictures(4);  // far fewer than there are unknowns
  const Network teacher = small_vit();
  Graft student = graft_with("clip(0.6*x, -1.2, 1.3)");
  const Yardstick yardstick(teacher, pictures.judge, silent_monitor());
  const double before = yardstick.measure(student.network()).kl;
  calibrate_sequential(student, teacher, pictures.fit, yardstick, {}, silent_monitor());
  EXPECT_LE(yardstick.measure(student.network()).kl, before);
}

TEST(Sequential, WalksInAsManyStepsAsAllowedWhereTheGraftIsFartherThanItTrusts) {
  const at::NoGradGuard no_grad;
  const Pictures pictures(10);
  const Network teacher = small_vit();
  Graft student = graft_with("clip(0.6*x, -1.2, 1.3)");
  const Yardstick yardstick(teacher, pictures.judge, silent_monitor());
  SequentialOptions options;
  options.trust = 1e-9;
  options.walk_steps = 2;
  const auto steps =
      calibrate_sequential(student, teacher, pictures.fit, yardstick, options, silent_monitor());
  ASSERT_GE(steps.size(), 3U);
  EXPECT_EQ(steps[0].sites, 2U);
  EXPECT_EQ(steps[1].sites, 4U);
  EXPECT_EQ(steps[2].sites, 5U);
  EXPECT_EQ(student.functions().size(), 5U);
  EXPECT_NEAR(yardstick.measure(student.network()).kl, steps.back().after.kl, 1e-9)
      << "all functions are in use again";
}

TEST(Sequential, GivesTheSameBytesTwice) {
  const at::NoGradGuard no_grad;
  const Pictures pictures(6);
  const Network teacher = small_vit();
  const Yardstick yardstick(teacher, pictures.judge, silent_monitor());
  std::vector<Graft> grafts;
  for (int i = 0; i < 2; ++i) {
    grafts.push_back(graft_with("tanh(0.8*x)"));
    calibrate_sequential(grafts.back(), teacher, pictures.fit, yardstick, {}, silent_monitor());
  }
  for (const auto& [name, tensor] : grafts[0].network().tensors()) {
    EXPECT_TRUE(at::equal(tensor, grafts[1].network().tensors().at(name))) << name;
  }
  EXPECT_EQ(grafts[0].functions(), grafts[1].functions());
}

TEST(Sequential, LeavesSitesThatKeepLayerNormAsTheyAre) {
  const at::NoGradGuard no_grad;
  const Pictures pictures(10);
  const Network teacher = small_vit();
  Graft student(small_vit());
  student.set_function("blocks.1.norm1", Expression::parse("clip(0.5*x, -1, 1)"));
  const Yardstick yardstick(teacher, pictures.judge, silent_monitor());
  calibrate_sequential(student, teacher, pictures.fit, yardstick, {}, silent_monitor());
  for (const auto& [name, tensor] : student.network().tensors()) {
    const bool moved = name.starts_with("blocks.1.norm1.") || name == "blocks.0.mlp.fc2.bias";
    EXPECT_EQ(at::equal(tensor, teacher.tensors().at(name)), !moved) << name;
  }
}

/// Keeps the notices.
class Listener : public Monitor {
 public:
  void notice(const std::string& line) override { heard += line + "\n"; }
  std::string heard;
};

TEST(Sequential, SaysWhoseConstantsStayForWantOfAProof) {
  const at::NoGradGuard no_grad;
  const Pictures pictures(10);
  const Network teacher = small_vit();
  Graft student(small_vit());
  FunctionFile file;
  for (const Site& site : teacher.sites()) {
    file.functions.emplace(site.name, Expression::parse("clip(0.6*x, -1.2, 1.3)"));
    file.seen.emplace(site.name, Interval{-4, 4});
  }
  const std::string site = teacher.sites()[1].name;
  file.functions.at(site) = Expression::parse("0.9*x/abs(x)");  // a pole at 0
  student.set_functions(file);
  const Yardstick yardstick(teacher, pictures.judge, silent_monitor());
  Listener listener;
  calibrate_sequential(student, teacher, pictures.fit, yardstick, {}, listener);
  EXPECT_NE(listener.heard.find("no proof holds for moved constants of " + site + ","), std::string::npos)
      << listener.heard;
  EXPECT_EQ(student.functions().at(site), file.functions.at(site));
}

}  // namespace
}  // namespace normgraft
