#include "normgraft/capture/capture.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "normgraft/capture/probe.h"
#include "normgraft/core/error.h"
#include "normgraft/data/loader.h"
#include "normgraft/mapping/baselines.h"
#include "normgraft/models/model_folder.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/carrier.h"
#include "normgraft/network/threads.h"
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

/// Of five pictures three are there to fit to, one to choose by and one to report on.
Fold fold_of(int64_t position) {
  return position % 5 == 3 ? Fold::kChoose : position % 5 == 4 ? Fold::kReport : fit_fold(position);
}

Loader loader_for(const Network& vit, const std::vector<Picture>& pictures, int64_t batch) {
  LoaderOptions options;
  options.batch = batch;
  const Preprocessing& p = vit.preprocessing();
  return Loader(pictures, evaluation_transform(p), p.height, p.width, options, silent_monitor());
}

/// The mappings of a small network over 3 times `per_class` small pictures.
Mappings small_mappings(const Network& vit, int per_class, int64_t batch) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, per_class);
  Loader loader = loader_for(vit, testing::pictures_in(folder / "pictures"), batch);
  return capture(vit, loader, 3 * per_class, fold_of, {.bins = 64, .pairs = {}}, silent_monitor());
}

TEST(Capture, CountsPicturesTimesTokensTimesChannelsAtEverySite) {
  const Network vit = small_vit();
  const Mappings mappings = small_mappings(vit, 4, 5);
  ASSERT_EQ(mappings.sites.size(), vit.sites().size());
  for (const SiteMapping& site : mappings.sites) {
    double pairs = 0;
    for (const Moments& bin : site.of(Measure::kCount, Part::kAll)) pairs += bin.weight;
    EXPECT_EQ(pairs, 12 * 17 * 16) << site.name;
    EXPECT_EQ(site.pictures * site.tokens * site.channels, 12 * 17 * 16) << site.name;
  }
}

/// Mean over pictures of KL(vit || vit with unit errors of random sign, times `scale`, at the outputs of a
/// site).
double divergence_under_errors(Network& vit, size_t site, const Tensor& images, double scale) {
  const at::NoGradGuard no_grad;
  const Tensor expected = vit.forward(images).to(at::kDouble).log_softmax(1);
  vit.set_normalizer(site, [&](const Tensor& x) {
    const Tensor signs = at::randint(0, 2, x.sizes()) * 2 - 1;
    return at::layer_norm(x, {x.size(-1)}, {}, {}, vit.sites()[site].eps) + scale * signs;
  });
  const Tensor found =
      vit.forward(images, [](size_t, const Tensor&, const Tensor&) {}).to(at::kDouble).log_softmax(1);
  vit.set_normalizer(site, {});
  return (expected.exp() * (expected - found)).sum(1).mean().item<double>();
}

TEST(Capture, WeighsASiteByTwiceTheDivergenceThatSmallIndependentErrorsCauseThere) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 2);
  Network vit = small_vit();
  const auto pictures = testing::pictures_in(folder / "pictures");
  Loader loader = loader_for(vit, pictures, 4);
  const Mappings mappings =
      capture(vit, loader, 6, fold_of, {.bins = 64, .pairs = {.probes = 300}}, silent_monitor());
  ASSERT_TRUE(mappings.weighted);

  Loader again = loader_for(vit, pictures, 6);
  const auto batch = again.next();
  const Tensor images = images_tensor(*batch, vit.preprocessing());
  constexpr double kScale = 0.02;
  constexpr int kDraws = 400;
  for (size_t site = 0; site < vit.sites().size(); ++site) {
    double divergence = 0;
    for (int draw = 0; draw < kDraws; ++draw)
      divergence += divergence_under_errors(vit, site, images, kScale) / kDraws;
    double weight = 0;
    for (const Moments& bin : mappings.sites[site].of(Measure::kWeight, Part::kAll)) weight += bin.weight;
    const double measured = 2 * divergence / (kScale * kScale);
    EXPECT_NEAR(weight / 6 / measured, 1, 0.15) << vit.sites()[site].name << " " << measured;
  }
}

TEST(Capture, GivesTokensThatNoHeadReadsNoWeight) {
  const Mappings mappings = small_mappings(small_vit(), 2, 4);
  const SiteMapping& last = mappings.site("norm");
  EXPECT_EQ(effective_pairs(last, Measure::kCount, Part::kAll), 6 * 17 * 16);
  EXPECT_LE(effective_pairs(last, Measure::kWeight, Part::kAll), 6 * 16);
  EXPECT_GT(effective_pairs(last, Measure::kWeight, Part::kAll), 6);
}

TEST(Capture, DoesNotDependOnBatchesNorThreads) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 3);
  const Network vit = small_vit();
  const auto pictures = testing::pictures_in(folder / "pictures");
  const auto bytes = [&](int64_t batch, int threads) {
    set_network_threads(threads);
    Loader loader = loader_for(vit, pictures, batch);
    const Path file = folder / "mappings.ngm";
    write_mappings(file,
                   capture(vit, loader, 9, fold_of, {.bins = 64, .pairs = {.probes = 2}}, silent_monitor()));
    set_network_threads(0);
    return read_file(file, "mappings");
  };
  const std::string expected = bytes(8, 2);
  EXPECT_EQ(bytes(8, 1), expected);
  EXPECT_EQ(bytes(4, 2), expected);
  EXPECT_EQ(bytes(2, 3), expected);
}

TEST(Capture, OfAModelWithoutClassesNeedsPlainPairs) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 1, 3);
  const Network features = testing::small_vit_without_classes();
  const auto pictures = testing::pictures_in(folder / "pictures");
  Loader refused = loader_for(features, pictures, 3);
  EXPECT_THROW(capture(features, refused, 3, fit_fold, {}, silent_monitor()), InputError);
  Loader loader = loader_for(features, pictures, 3);
  EXPECT_FALSE(capture(features, loader, 3, fit_fold, {.bins = 64, .pairs = {.weights = Weights::kNone}},
                       silent_monitor())
                   .weighted);
}

TEST(Capture, RefusesAPartOfThePicturesOfWhichNoneCouldBeRead) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 1, 120);
  const Network vit = small_vit();
  const auto pictures = testing::pictures_in(folder / "pictures");
  write_atomically(pictures[7].path, "no picture");
  const std::pair<Fold, const char*> parts[] = {{Fold::kSecondHalf, "in one half of those to fit to"},
                                                {Fold::kChoose, "to choose by"},
                                                {Fold::kReport, "to report on"}};
  for (const auto& [part, words] : parts) {
    Loader loader = loader_for(vit, pictures, 32);
    const auto fold = [&](int64_t position) { return position == 7 ? part : Fold::kFirstHalf; };
    try {
      capture(vit, loader, 120, fold, {.bins = 64, .pairs = {.weights = Weights::kNone}}, silent_monitor());
      ADD_FAILURE() << words;
    } catch (const InputError& error) {
      EXPECT_EQ(std::string(error.what()),
                std::string("capture: no picture ") + words + " could be read, expected at least one");
    }
  }
}

TEST(Capture, SaysWhichOptionIsOutOfRange) {
  EXPECT_THROW(CaptureOptions{.bins = 15}.validate(), InputError);
  EXPECT_THROW(PairOptions{.probes = 0}.validate(), InputError);
}

TEST(Capture, OfRealPicturesGivesEveryClosedFormsErrorAsAllRawPairsDo) {
  const Path model = data_folder() / "models" / "deit_tiny_patch16_224.fb_in1k";
  const Path pictures = data_folder() / "images" / "imagenet-20" / "val";
  if (!std::filesystem::exists(model) || !std::filesystem::exists(pictures)) {
    GTEST_SKIP() << "needs DeiT-Tiny and imagenet-20 in " << data_folder();
  }
  at::NoGradGuard no_grad;
  const Network vit = load_model(model, {}, silent_monitor());
  std::vector<Picture> some = testing::pictures_in(pictures);
  some.resize(10);
  Loader loader = loader_for(vit, some, 10);
  const Mappings mappings = capture(vit, loader, 10, fold_of, {}, silent_monitor());

  std::map<std::string, std::pair<Tensor, Tensor>> raw;
  Loader again = loader_for(vit, some, 10);
  const auto batch = again.next();
  vit.forward(images_tensor(*batch, vit.preprocessing()), [&](size_t site, const Tensor& x, const Tensor& y) {
    raw[vit.sites()[site].name] = {x.flatten().contiguous(), y.flatten().contiguous()};
  });

  for (const char* name : {"blocks.0.norm1", "blocks.6.norm2", "norm"}) {
    const SiteMapping& site = mappings.site(name);
    const auto& [x, y] = raw.at(name);
    const auto count = static_cast<size_t>(x.numel());
    const double variance = y.to(at::kDouble).var(false).item<double>();
    for (const Baseline& baseline :
         fit_baselines(make_samples(site, Measure::kCount, Part::kFit), site.range())) {
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

TEST(Capture, KeepsWhatACarrierLetsFunctionsAddOutOfTheMomentsOfY) {
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 5);
  Network vit = small_vit();
  const auto pictures = testing::pictures_in(folder / "pictures");
  Loader first = loader_for(vit, pictures, 15);
  const auto batch = first.next();
  const Tensor images = images_tensor(*batch, vit.preprocessing());
  let_mean_carry_scale(vit, {images, {}}, {}, silent_monitor());
  Loader loader = loader_for(vit, pictures, 15);
  const Mappings mappings =
      capture(vit, loader, 15, fold_of, {.bins = 64, .pairs = {.weights = Weights::kNone}}, silent_monitor());
  vit.forward(images, [&](size_t i, const Tensor& x, const Tensor& y) {
    const double ratio = vit.sites()[i].carried.ratio;
    const double added = ratio > 0 ? carried_offset(x, ratio).mean().item<double>() : 0;
    const SiteMapping& site = mappings.sites[i];
    Moments in_bins;
    for (const Moments& bin : site.of(Measure::kCount, Part::kAll)) in_bins.merge(bin);
    EXPECT_NEAR(site.y_of(Measure::kCount, Part::kAll).y, y.mean().item<double>(), 1e-3) << site.name;
    EXPECT_NEAR(in_bins.y, y.mean().item<double>() + added, 1e-3) << site.name;
    EXPECT_EQ(std::abs(added) > 0.1, i > 0) << site.name;
  });
}

TEST(Capture, DrawsGradientsAnewForEveryPictureAndProbe) {
  const Tensor prediction = at::full({2, 100}, 0.01);
  const int64_t pictures[] = {4, 9}, other_order[] = {9, 4};
  const Tensor drawn = draw_probe(prediction, pictures, 0, 1);
  EXPECT_FALSE(at::equal(drawn[0], drawn[1]));
  EXPECT_FALSE(at::equal(drawn, draw_probe(prediction, pictures, 1, 1)));
  EXPECT_FALSE(at::equal(drawn, draw_probe(prediction, pictures, 0, 2)));
  EXPECT_TRUE(at::equal(drawn, draw_probe(prediction, other_order, 0, 1).flip(0)));
}

}  // namespace
}  // namespace normgraft
