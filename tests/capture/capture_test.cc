#include "normgraft/capture/capture.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "normgraft/mapping/baselines.h"
#include "normgraft/vit/batches.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::TemporaryFolder;

Path data_folder() {
  const char* folder = std::getenv("NORMGRAFT_DATA");
  return folder != nullptr ? Path(folder) : Path(NORMGRAFT_SOURCE_DIR) / ".." / "shared";
}

Loader loader_for(const Vit& vit, const std::vector<Picture>& pictures, int64_t batch) {
  LoaderOptions options;
  options.batch = batch;
  const Preprocessing& p = vit.preprocessing();
  return Loader(pictures, evaluation_transform(p), p.height, p.width, options, silent_monitor());
}

TEST(Capture, CountsPicturesTimesTokensTimesChannelsAtEverySite) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 4);
  const Vit vit = small_vit();
  Loader loader = loader_for(vit, open_picture_folder(folder / "pictures").pictures, 5);
  const Mappings mappings = capture(vit, loader, 12, 64, silent_monitor());
  ASSERT_EQ(mappings.sites.size(), vit.sites().size());
  for (const SiteMapping& site : mappings.sites) {
    double pairs = 0;
    for (const Moments& bin : site.of(Measure::kCount, Part::kAll)) pairs += bin.weight;
    EXPECT_EQ(pairs, 12 * 17 * 16) << site.name;
    EXPECT_EQ(site.pictures * site.tokens * site.channels, 12 * 17 * 16) << site.name;
  }
}

TEST(Capture, OfRealPicturesGivesEveryClosedFormsErrorAsAllRawPairsDo) {
  const Path model = data_folder() / "models" / "deit_tiny_patch16_224.fb_in1k";
  const Path pictures = data_folder() / "images" / "imagenet-20" / "val";
  if (!std::filesystem::exists(model) || !std::filesystem::exists(pictures)) {
    GTEST_SKIP() << "needs DeiT-Tiny and imagenet-20 in " << data_folder();
  }
  torch::NoGradGuard no_grad;
  const Vit vit = load_vit(model, {}, silent_monitor());
  std::vector<Picture> some = open_picture_folder(pictures).pictures;
  some.resize(10);
  Loader loader = loader_for(vit, some, 10);
  const Mappings mappings = capture(vit, loader, 10, 2048, silent_monitor());

  std::map<std::string, std::pair<torch::Tensor, torch::Tensor>> raw;
  Loader again = loader_for(vit, some, 10);
  const auto batch = again.next();
  vit.forward(images_tensor(*batch, vit.preprocessing()), [&](size_t site, const torch::Tensor& x, const torch::Tensor& y) {
    raw[vit.sites()[site].name] = {x.flatten().contiguous(), y.flatten().contiguous()};
  });

  for (const char* name : {"blocks.0.norm1", "blocks.6.norm2", "norm"}) {
    const SiteMapping& site = mappings.site(name);
    const auto& [x, y] = raw.at(name);
    const auto count = static_cast<size_t>(x.numel());
    const double variance = y.to(torch::kFloat64).var(false).item<double>();
    for (const Baseline& baseline : fit_baselines(make_samples(site, Measure::kCount, Part::kFit), site.range())) {
      double sum = 0;
      for (size_t i = 0; i < count; ++i) {
        const double residual = baseline.expression(x.data_ptr<float>()[i]) - y.data_ptr<float>()[i];
        sum += residual * residual;
      }
      const double direct = sum / static_cast<double>(count);
      const Fit binned = evaluate_fit(baseline.expression, make_samples(site, Measure::kCount, Part::kAll));
      EXPECT_NEAR(binned.error / variance, direct / variance, 1e-5) << name << " " << baseline.name;
      EXPECT_NEAR(binned.r2, 1 - direct / variance, 1e-5) << name << " " << baseline.name;
    }
  }
}

}  // namespace
}  // namespace normgraft
