#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "normgraft/core/error.h"
#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"
#include "normgraft/network/batches.h"
#include "normgraft/realign/realign.h"
#include "realign/small_graft.h"
#include "stream_hint.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

// What one step, and the steps of a run after one another, do.

namespace normgraft {
namespace {

using testing::small_graft;
using testing::small_vit;
using testing::TemporaryFolder;

/// All that the constants mode moves, one tensor after another.
std::vector<Tensor> moved_tensors(Graft& graft) {
  std::vector<Tensor> moved;
  Tensors& tensors = graft.network().tensors();
  for (size_t i = 0; i < graft.network().sites().size(); ++i) {
    const Site& site = graft.network().sites()[i];
    moved.insert(moved.end(), {tensors.at(site.gamma), tensors.at(site.beta), graft.constants(i)});
    if (site.writer) moved.push_back(tensors.at(site.writer->linear.bias));
  }
  return moved;
}

Tensor joined(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> flat;
  for (const Tensor& tensor : tensors) flat.push_back(tensor.detach().flatten().to(at::kDouble));
  return at::cat(flat);
}

RealignOptions plain_options(RealignMode mode) {
  RealignOptions options;
  options.mode = mode;
  options.warmup = 0;
  options.cosine = false;
  options.augmentation = {.scale_low = 1, .ratio_low = 1, .ratio_high = 1, .flip = 0, .color_jitter = 0};
  return options;
}

class Steps : public ::testing::Test {
 protected:
  Steps() {
    testing::write_small_pictures(folder_ / "pictures", 3, 8);
    split_ = split_pictures(testing::pictures_in(folder_ / "pictures"));
  }

  RealignResult train(const RealignOptions& options, const std::string& name) {
    Graft student = small_graft();
    return realign(student, &teacher_, split_, options, folder_ / name, false, monitor_);
  }
  Graft last(const std::string& name) { return load_graft(folder_ / name / "last", {}, silent_monitor()); }

  /// Keeps the notices.
  class Listener : public Monitor {
   public:
    void notice(const std::string& line) override { heard.push_back(line); }
    std::vector<std::string> heard;
  };

  TemporaryFolder folder_;
  PictureSplit split_;
  Network teacher_ = small_vit();
  Listener monitor_;
};

TEST_F(Steps, FollowTheGradientOfDistillationAndHintAsFarAsItsNormIsAllowed) {
  const Picture picture = split_.fit[0];
  split_.fit.assign(4, picture);
  RealignOptions options = plain_options(RealignMode::kConstants);
  options.temperature = 2;
  options.hint = 1;
  options.rate = 1;
  options.clip_norm = 1e-10;  // so far below AdamW's eps of 1e-8 that its step is rate * gradient / eps
  train(options, "out");
  Graft before = small_graft(), after = last("out");

  const Tensor images = read_images(split_.fit, teacher_.preprocessing(), "test", silent_monitor());
  const StreamHint hint(teacher_, split_.fit, options.seed, silent_monitor());
  StreamHint::Streams own, expected;
  Tensor target;
  {
    const at::NoGradGuard no_grad;
    target = teacher_.forward(images, hint.watch(expected));
  }
  const std::vector<Tensor> parameters = moved_tensors(before);
  for (const Tensor& parameter : parameters) parameter.set_requires_grad(true);
  const Tensor logits = before.forward(images, hint.watch(own));
  const Tensor p = (target / 2).softmax(1), q = (logits / 2).softmax(1);
  const Tensor divergence_at_2 = (p * (p.log() - q.log())).sum(1).mean();
  const Tensor loss = 2 * 2 * divergence_at_2 + 0.5 * hint.distance(own, expected) / 4;
  const Tensor gradient = joined(torch::autograd::grad({loss}, parameters));
  const Tensor step = joined(moved_tensors(after)) - joined(parameters);
  const Tensor wanted = -0.01 * gradient / gradient.norm();
  EXPECT_LT((step - wanted).norm().item<double>(), 0.03 * 0.01);
}

TEST_F(Steps, RiseToTheirRateAndFallAlongACosine) {
  RealignOptions options = plain_options(RealignMode::kAffine);
  options.epochs = 4;
  options.batch = 100;  // a step an epoch
  options.warmup = 0.25;
  options.cosine = true;
  options.rate = 1e-3;
  const RealignResult result = train(options, "out");
  const double expected[] = {0.5, 1, 0.75, 0.25};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(result.epochs[i + 1].rate, 1e-3 * expected[i], 1e-12) << i;
}

TEST_F(Steps, LetNoVectorDecay) {
  RealignOptions options = plain_options(RealignMode::kAffine);
  train(options, "plain");
  options.weight_decay = 5;
  train(options, "decayed");
  Graft plain = last("plain"), decayed = last("decayed");
  EXPECT_TRUE(at::equal(joined(moved_tensors(plain)), joined(moved_tensors(decayed))));
}

TEST_F(Steps, DropBranchesAndJudgeWithAllOfThem) {
  RealignOptions options = plain_options(RealignMode::kConstants);
  options.rate = 1e-2;
  options.drop_path = 1e-12;  // drops nothing
  train(options, "whole");
  options.drop_path = 0.7;
  const RealignResult result = train(options, "dropped");
  Graft whole = last("whole"), dropped = last("dropped");
  EXPECT_FALSE(at::allclose(joined(moved_tensors(whole)), joined(moved_tensors(dropped)), 1e-3, 1e-5));
  const Yardstick yardstick(teacher_, split_.choose, silent_monitor());
  EXPECT_NEAR(result.epochs.back().held_out_loss, yardstick.measure(dropped.network()).kl, 1e-5);
}

TEST_F(Steps, ThatOnlyWorsenAreNotKept) {
  RealignOptions options = plain_options(RealignMode::kConstants);
  options.rate = 2;
  options.epochs = 2;
  const RealignResult result = train(options, "out");
  ASSERT_GT(result.epochs[1].held_out_loss, result.epochs[0].held_out_loss);
  ASSERT_GT(result.epochs[2].held_out_loss, result.epochs[0].held_out_loss);
  EXPECT_EQ(result.best_epoch, 0);
  EXPECT_EQ(load_graft(folder_ / "out", {}, silent_monitor()).functions(), small_graft().functions());
}

TEST_F(Steps, AreNotResumedOnOtherPictures) {
  const RealignOptions options = plain_options(RealignMode::kAffine);
  train(options, "out");
  std::swap(split_.fit.back(), split_.choose.back());
  EXPECT_THROW(train(options, "out"), InputError);
}

TEST_F(Steps, SayWhoseConstantsGoBackForWantOfAProof) {
  Graft student(small_vit());
  FunctionFile file;
  for (const Site& site : teacher_.sites()) {
    file.functions.emplace(site.name, Expression::parse("clip(0.6*x, -1.2, 1.3)"));
    file.seen.emplace(site.name, Interval{-4, 4});
  }
  file.functions.at("blocks.1.norm1") = Expression::parse("0.9*x/abs(x)");  // a pole at 0
  student.set_functions(file);
  realign(student, &teacher_, split_, plain_options(RealignMode::kConstants), folder_ / "out", false,
          monitor_);
  EXPECT_TRUE(std::any_of(monitor_.heard.begin(), monitor_.heard.end(), [](const std::string& line) {
    return line.starts_with("realign, epoch 1: no proof holds for the constants of blocks.1.norm1,");
  }));
  EXPECT_EQ(last("out").functions().at("blocks.1.norm1"), file.functions.at("blocks.1.norm1"));
}

TEST_F(Steps, TakeThePicturesInAnotherOrderInEveryEpoch) {
  testing::write_small_pictures(folder_ / "many", 3, 140);
  split_.fit = testing::pictures_in(folder_ / "many");
  for (const size_t broken : {20, 120, 220, 320}) write_atomically(split_.fit[broken].path, "no picture");
  RealignOptions options = plain_options(RealignMode::kAffine);
  options.epochs = 2;
  options.batch = 32;
  train(options, "out");
  std::vector<std::string> skipped;
  for (const std::string& line : monitor_.heard) {
    if (line.starts_with("skipped")) skipped.push_back(line);
  }
  ASSERT_EQ(skipped.size(), 8U);
  const std::vector<std::string> first(skipped.begin(), skipped.begin() + 4);
  const std::vector<std::string> second(skipped.begin() + 4, skipped.end());
  EXPECT_TRUE(std::is_permutation(first.begin(), first.end(), second.begin()));
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace normgraft
