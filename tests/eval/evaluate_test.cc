#include "normgraft/eval/evaluate.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "normgraft/core/error.h"
#include "normgraft/data/loader.h"
#include "normgraft/eval/under.h"
#include "normgraft/graft/graft.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::TemporaryFolder;

std::unique_ptr<Loader> loader_for(const Path& root, int64_t batch) {
  LoaderOptions options;
  options.batch = batch;
  return std::make_unique<Loader>(testing::pictures_in(root),
                                  evaluation_transform(small_vit().preprocessing()), 32, 32, options,
                                  silent_monitor());
}

/// A model, another as its teacher, and 15 pictures: in a folder, and as one batch.
struct TwoModels {
  TwoModels() {
    testing::write_small_pictures(folder / "pictures", 3, 5);
    batch = *loader_for(folder / "pictures", 15)->next();
    images = at::from_blob(batch.pixels.data(), {15, 3, 32, 32});
    labels = at::tensor(batch.labels);
  }
  TemporaryFolder folder;
  Graft model{small_vit(1)};
  Network teacher = small_vit(2);
  Batch batch;
  Tensor images, labels;
};

TEST(BootstrapMean, CoversTheMeanOfFairCoinsAboutNineteenTimesInTwenty) {
  int covered = 0;
  const int trials = 400;
  for (uint64_t trial = 0; trial < trials; ++trial) {
    Random random({trial});
    std::vector<double> coins(200);
    for (double& coin : coins) coin = random.uniform() < 0.5 ? 1.0 : 0.0;
    const Estimate estimate = bootstrap_mean(coins);
    EXPECT_LE(estimate.low, estimate.mean);
    EXPECT_LE(estimate.mean, estimate.high);
    covered += estimate.low <= 0.5 && 0.5 <= estimate.high ? 1 : 0;
  }
  EXPECT_GT(covered, trials * 90 / 100);
  EXPECT_LT(covered, trials * 99 / 100);
}

TEST(Evaluate, FindsAModelInFullAgreementWithItself) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 5);
  const Graft model(small_vit());
  const Network teacher = small_vit();
  const auto pictures = loader_for(folder / "pictures", 4);
  const Evaluation result = evaluate(model, &teacher, *pictures, 15, {}, silent_monitor());
  EXPECT_EQ(result.images, 15);
  EXPECT_EQ(result.agreement->mean, 1.0);
  EXPECT_NEAR(result.kl->mean, 0.0, 1e-12);
  EXPECT_EQ(result.top5.mean, 1.0);
}

TEST(Evaluate, ShowsATeacherItsPicturesAsItIsUsedToThem) {
  const at::NoGradGuard no_grad;
  const TwoModels two;
  const Network& teacher = two.teacher;
  Preprocessing own = teacher.preprocessing();
  own.mean = {0.1F, 0.5F, 0.7F};
  own.std = {1, 0.5F, 0.3F};
  const auto by_colour = [](const std::array<float, 3>& v) {
    return at::tensor({v[0], v[1], v[2]}).view({1, 3, 1, 1});
  };
  const Preprocessing usual = teacher.preprocessing();
  const JudgedModel other{3,
                          own,
                          [&](const Tensor& images) {
                            const Tensor pixels = images * by_colour(own.std) + by_colour(own.mean);
                            return teacher.forward((pixels - by_colour(usual.mean)) / by_colour(usual.std));
                          },
                          {}};
  const JudgedModel same = judged(teacher);
  const Evaluation result =
      evaluate(same, &other, *loader_for(two.folder / "pictures", 4), 15, {}, silent_monitor());
  EXPECT_EQ(result.agreement->mean, 1.0);
  EXPECT_LT(result.kl->mean, 1e-9);
}

TEST(Evaluate, CountsWhatTheLogitsSayWhateverTheBatch) {
  at::NoGradGuard no_grad;
  const TwoModels two;
  const auto& [folder, model, teacher, batch, images, labels] = two;
  const Tensor p = teacher.forward(images).softmax(1), q = model.forward(images).softmax(1);
  const double top1 = q.argmax(1).eq(labels).to(at::kDouble).mean().item<double>();
  const double agreement = q.argmax(1).eq(p.argmax(1)).to(at::kDouble).mean().item<double>();
  const double kl = (p * (p / q).log()).sum(1).mean().item<double>();

  for (const int64_t size : {1, 4, 15}) {
    const auto pictures = loader_for(folder / "pictures", size);
    const Evaluation result = evaluate(model, &teacher, *pictures, 15, {}, silent_monitor());
    EXPECT_NEAR(result.top1.mean, top1, 1e-12);
    EXPECT_NEAR(result.agreement->mean, agreement, 1e-12);
    EXPECT_NEAR(result.kl->mean, kl, 1e-5);
  }
}

TEST(Evaluate, ShowsTeacherAndModelTheSameChangedPictures) {
  at::NoGradGuard no_grad;
  const TwoModels two;
  const auto& [folder, model, teacher, batch, images, labels] = two;
  const auto pictures = loader_for(folder / "pictures", 4);
  const Evaluation result =
      evaluate(model, &teacher, *pictures, 15, {Condition::kContrast, Condition::kBlur}, silent_monitor());
  ASSERT_EQ(result.under.size(), 2U);
  for (const auto& [condition, judgement] : result.under) {
    const Tensor seen = under(condition, images, teacher.preprocessing());
    const Tensor p = teacher.forward(seen).softmax(1), q = model.forward(seen).softmax(1);
    const double top1 = q.argmax(1).eq(labels).to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(judgement.top1.mean, top1, 1e-12) << to_string(condition);
    EXPECT_NEAR(judgement.kl->mean, (p * (p / q).log()).sum(1).mean().item<double>(), 1e-5)
        << to_string(condition);
    EXPECT_GT(std::abs(judgement.kl->mean - result.kl->mean), 1e-4) << to_string(condition);
  }
}

TEST(Evaluate, AddsConditionsToTheJsonAndLeavesTheRestOfItAlone) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 5);
  const Graft model(small_vit(1));
  const Network teacher = small_vit(2);
  const auto judged = [&](const Network* against, const std::vector<Condition>& conditions) {
    const auto pictures = loader_for(folder / "pictures", 4);
    Json json = to_json(evaluate(model, against, *pictures, 15, conditions, silent_monitor()));
    EXPECT_EQ(json.erase("images_per_second"), 1U);
    return json;
  };
  const Json plain = judged(&teacher, {});
  EXPECT_FALSE(plain.contains("under"));
  EXPECT_EQ(judged(&teacher, {Condition::kPlain}), plain);

  Json both = judged(&teacher, {Condition::kBlur, Condition::kContrast, Condition::kBlur});
  ASSERT_EQ(both.at("under").size(), 2U);
  for (const char* condition : {"contrast", "blur"}) {
    for (const char* key : {"top1", "top5", "agreement", "kl"}) {
      EXPECT_TRUE(both.at("under").at(condition).contains(key)) << condition << ' ' << key;
      EXPECT_EQ(both.at("under").at(condition).at(std::string(key) + "_interval").size(), 2U)
          << condition << ' ' << key;
    }
  }
  both.erase("under");
  EXPECT_EQ(both, plain);
  EXPECT_FALSE(judged(nullptr, {Condition::kBlur}).at("under").at("blur").contains("kl"));
}

TEST(BootstrapMean, ReachesAsFarAsTheNormalIntervalOfNinetyFivePercent) {
  Random random({7});
  std::vector<double> values(400);
  double sum = 0, square = 0;
  for (double& value : values) {
    value = random.normal();
    sum += value;
    square += value * value;
  }
  const double n = 400, error = std::sqrt((square / n - sum / n * (sum / n)) / n);
  const Estimate estimate = bootstrap_mean(values);
  EXPECT_NEAR((estimate.high - estimate.low) / (2 * error), 1.96, 0.15);
}

TEST(Evaluate, RefusesAPictureOfAClassThatTheModelDoesNotHave) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 4, 2);
  const Graft model(small_vit());
  const auto pictures = loader_for(folder / "pictures", 4);
  EXPECT_THROW(evaluate(model, nullptr, *pictures, 8, {}, silent_monitor()), InputError);
}

}  // namespace
}  // namespace normgraft
