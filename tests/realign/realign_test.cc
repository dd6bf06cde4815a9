#include "normgraft/realign/realign.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "normgraft/core/error.h"
#include "normgraft/graft/graft.h"
#include "realign/small_graft.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_graft;
using testing::small_vit;
using testing::TemporaryFolder;

RealignOptions quick_options(RealignMode mode) {
  RealignOptions options;
  options.mode = mode;
  options.epochs = 3;
  options.batch = 8;
  options.rate = 2e-3;
  options.held_out = 0.2;
  options.drop_path = 0.1;
  options.augmentation.scale_low = 0.8;
  options.augmentation.color_jitter = 0.1;
  return options;
}

/// Asks to stop in the middle of an epoch.
class StopInEpoch : public Monitor {
 public:
  explicit StopInEpoch(int epoch) : stage_("epoch " + std::to_string(epoch) + " of") {}
  void progress(const std::string& stage, int64_t, int64_t, const std::string&, const std::string&) override {
    stopped_ = stopped_ || stage.find(stage_) != std::string::npos;
  }
  bool stopped() const override { return stopped_; }

 private:
  std::string stage_;
  bool stopped_ = false;
};

TEST(Realign, DistillationBringsTheStudentNearerToItsTeacher) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 20);
  const auto pictures = split_pictures(testing::pictures_in(folder / "pictures"));
  Graft student = small_graft();
  const Network teacher = small_vit();
  RealignOptions options = quick_options(RealignMode::kDistill);
  options.epochs = 10;
  const RealignResult result =
      realign(student, &teacher, pictures, options, folder / "out", false, silent_monitor());
  ASSERT_EQ(result.epochs.size(), 11U);
  EXPECT_LT(result.epochs[static_cast<size_t>(result.best_epoch)].held_out_loss,
            0.8 * result.epochs[0].held_out_loss);
  EXPECT_GT(result.best_epoch, 0);
}

TEST(Realign, AffineModeMovesGammaAndBetaAndNothingElse) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 20);
  const auto pictures = split_pictures(testing::pictures_in(folder / "pictures"));
  Graft student = small_graft();
  const Tensors before = student.network().tensors();
  const Functions functions = student.functions();
  realign(student, nullptr, pictures, quick_options(RealignMode::kAffine), folder / "out", false,
          silent_monitor());
  const Graft last = load_graft(folder / "out" / "last", {}, silent_monitor());
  EXPECT_EQ(last.functions(), functions);
  for (const auto& [name, tensor] : last.network().tensors()) {
    const bool is_norm = name.find("norm") != std::string::npos;
    EXPECT_EQ(at::equal(tensor, before.at(name)), !is_norm) << name;
  }
}

/// The student after three epochs, its tensors as they were last.
Tensors trained(const Path& pictures, const Path& out, const RealignOptions& options) {
  Graft student = small_graft();
  const Network teacher = small_vit();
  realign(student, &teacher, split_pictures(testing::pictures_in(pictures)), options, out, false,
          silent_monitor());
  return load_graft(out / "last", {}, silent_monitor()).network().tensors();
}

TEST(Realign, GradientsAreTheSameInChunksAndOfTheWholeBatch) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 7);
  RealignOptions options = quick_options(RealignMode::kConstants);
  options.drop_path = 0;
  const Tensors in_chunks = trained(folder / "pictures", folder / "chunks", options);
  options.drop_path = 1e-12;  // drops nothing, but keeps the pictures of a batch together
  const Tensors whole = trained(folder / "pictures", folder / "whole", options);
  for (const auto& [name, tensor] : in_chunks) {
    EXPECT_TRUE(at::allclose(tensor, whole.at(name), 1e-3, 1e-5)) << name;
  }
}

TEST(Realign, ConstantsModeNeedsNoLabelsAndMovesWhatBelongsToItsSitesOnly) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 20);
  auto listed = testing::pictures_in(folder / "pictures");
  for (Picture& picture : listed) picture.label += 1000;  // of no class of the model
  const PictureSplit pictures = split_pictures(listed);
  Graft student = small_graft();
  const Network teacher = small_vit();
  const Tensors before = student.network().tensors();
  const Functions functions = student.functions();
  RealignOptions options = quick_options(RealignMode::kConstants);
  options.epochs = 6;
  options.rate = 1e-2;
  const RealignResult result =
      realign(student, &teacher, pictures, options, folder / "out", false, silent_monitor());
  EXPECT_LT(result.epochs[static_cast<size_t>(result.best_epoch)].held_out_loss,
            0.9 * result.epochs[0].held_out_loss);
  EXPECT_NE(student.functions(), functions);
  EXPECT_TRUE(std::isnan(result.epochs.back().held_out_top1)) << "the labels are not looked at";
  EXPECT_GT(result.epochs.back().held_out_agreement, 0);
  for (const auto& [name, tensor] : student.network().tensors()) {
    const bool is_norm = name.find("norm") != std::string::npos;
    const bool shifts_x = name.ends_with("attn.proj.bias") || name.ends_with("mlp.fc2.bias");
    EXPECT_EQ(at::equal(tensor, before.at(name)), !is_norm && !shifts_x) << name;
  }
}

TEST(Realign, FullModeMovesTheConstantsOfTheFunctionsToo) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 20);
  Graft student = small_graft();
  realign(student, nullptr, split_pictures(testing::pictures_in(folder / "pictures")),
          quick_options(RealignMode::kFull), folder / "out", false, silent_monitor());
  const Graft last = load_graft(folder / "out" / "last", {}, silent_monitor());
  EXPECT_NE(last.functions(), small_graft().functions());
}

TEST(Realign, StoppedInMidEpochAndRunAgainEndsWithTheSameBytes) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 20);
  const auto pictures = split_pictures(testing::pictures_in(folder / "pictures"));
  const auto train = [&](const Path& out, Monitor& monitor) {
    Graft student = small_graft();
    const Network teacher = small_vit();
    return realign(student, &teacher, pictures, quick_options(RealignMode::kDistill), out, false, monitor);
  };
  train(folder / "whole", silent_monitor());
  StopInEpoch monitor(2);
  EXPECT_THROW(train(folder / "stopped", monitor), Interrupted);
  const RealignResult resumed = train(folder / "stopped", silent_monitor());
  EXPECT_EQ(resumed.epochs.size(), 4U);
  for (const char* file :
       {"model.safetensors", "functions.json", "last/model.safetensors", "last/functions.json"}) {
    EXPECT_EQ(read_file(folder / "whole" / file, "file"), read_file(folder / "stopped" / file, "file"))
        << file;
  }
}

TEST(Realign, RefusesACheckpointOfOtherOptionsUnlessToldToRestart) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 8);
  const auto pictures = split_pictures(testing::pictures_in(folder / "pictures"));
  RealignOptions options = quick_options(RealignMode::kAffine);
  options.epochs = 1;
  const auto train = [&](bool restart) {
    Graft student = small_graft();
    return realign(student, nullptr, pictures, options, folder / "out", restart, silent_monitor());
  };
  train(false);
  options.rate = 1e-3;
  EXPECT_THROW(train(false), InputError);
  EXPECT_EQ(train(true).epochs.size(), 2U);
}

TEST(Realign, RefusesDistillationWithoutATeacherAndTooFewPictures) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 1, 1);
  const PictureSplit pictures{.fit = {}, .choose = testing::pictures_in(folder / "pictures"), .report = {}};
  Graft student = small_graft();
  EXPECT_THROW(realign(student, nullptr, pictures, quick_options(RealignMode::kDistill), folder / "out",
                       false, silent_monitor()),
               InputError);
  EXPECT_THROW(realign(student, nullptr, pictures, quick_options(RealignMode::kFull), folder / "out", false,
                       silent_monitor()),
               InputError);
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST(RealignOptions, NameTheFieldThatIsOutOfRange) {
  RealignOptions options;
  options.warmup = 1.5;
  try {
    options.validate();
    FAIL() << "expected an InputError";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("warmup is 1.5"), std::string::npos) << error.what();
  }
}

TEST(RealignOptions, RecipesCarryThePublishedSettings) {
  EXPECT_EQ(realign_recipe("carrigg2026-a").rate, 1e-3);
  EXPECT_FALSE(realign_recipe("carrigg2026-a").cosine);
  EXPECT_EQ(realign_recipe("carrigg2026-d").temperature, 4);
  EXPECT_EQ(realign_recipe("carrigg2026-d").drop_path, 0.2);
  EXPECT_EQ(realign_recipe("carrigg2026-f").batch, 512);
  EXPECT_THROW(realign_recipe("carrigg2026-x"), InputError);
}

}  // namespace
}  // namespace normgraft
