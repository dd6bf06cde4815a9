#include "normgraft/eval/evaluate.h"

#include <gtest/gtest.h>

#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::TemporaryFolder;

std::unique_ptr<Loader> loader_for(const Path& root, int64_t batch) {
  LoaderOptions options;
  options.batch = batch;
  return std::make_unique<Loader>(open_picture_folder(root).pictures, evaluation_transform(small_vit().preprocessing()),
                                  32, 32, options, silent_monitor());
}

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
  const Vit teacher = small_vit();
  const auto pictures = loader_for(folder / "pictures", 4);
  const Evaluation result = evaluate(model, &teacher, *pictures, 15, silent_monitor());
  EXPECT_EQ(result.images, 15);
  EXPECT_EQ(result.agreement->mean, 1.0);
  EXPECT_NEAR(result.kl->mean, 0.0, 1e-12);
  EXPECT_EQ(result.top5.mean, 1.0);
}

TEST(Evaluate, CountsWhatTheLogitsSayWhateverTheBatch) {
  torch::NoGradGuard no_grad;
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 5);
  const Graft model(small_vit(1));
  const Vit teacher = small_vit(2);
  const auto all = loader_for(folder / "pictures", 15);
  const auto batch = all->next();
  const torch::Tensor images = torch::from_blob(const_cast<float*>(batch->pixels.data()), {15, 3, 32, 32});
  const torch::Tensor labels = torch::tensor(batch->labels);
  const torch::Tensor p = teacher.forward(images).softmax(1), q = model.forward(images).softmax(1);
  const double top1 = q.argmax(1).eq(labels).to(torch::kFloat64).mean().item<double>();
  const double agreement = q.argmax(1).eq(p.argmax(1)).to(torch::kFloat64).mean().item<double>();
  const double kl = (p * (p / q).log()).sum(1).mean().item<double>();

  for (const int64_t size : {1, 4, 15}) {
    const auto pictures = loader_for(folder / "pictures", size);
    const Evaluation result = evaluate(model, &teacher, *pictures, 15, silent_monitor());
    EXPECT_NEAR(result.top1.mean, top1, 1e-12);
    EXPECT_NEAR(result.agreement->mean, agreement, 1e-12);
    EXPECT_NEAR(result.kl->mean, kl, 1e-5);
  }
}

}  // namespace
}  // namespace normgraft
