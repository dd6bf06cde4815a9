#include "normgraft/data/preprocess.h"

#include "data/pillow.h"

namespace normgraft {
namespace {

size_t ask(Pillow& pillow, const Path& file, const Preprocessing& p) {
  return pillow.apply("preprocess", file,
                      {{"height", p.height},
                       {"width", p.width},
                       {"crop_pct", p.crop_pct},
                       {"crop_mode", p.crop_mode},
                       {"filter", p.interpolation == Interpolation::kBicubic ? "bicubic" : "bilinear"}});
}

TEST(Preprocess, CropsAsTimmDoesForEveryShape) {
  std::vector<Preprocessing> all(6);
  all[1].crop_pct = 0.9;
  all[2].crop_mode = "squash";
  all[3].crop_pct = 1.0;
  all[4].height = 96, all[4].width = 160;
  all[5].interpolation = Interpolation::kBilinear, all[5].height = 64, all[5].width = 64;
  const std::vector<std::pair<int, int>> sizes = {{500, 375}, {375, 500}, {256, 256}, {333, 257},
                                                  {40, 31},   {30, 700},  {900, 17},  {224, 224}};
  TemporaryFolder folder;
  Pillow pillow(folder);
  std::vector<size_t> results;
  for (const auto& [width, height] : sizes) {
    const Path file = folder / fmt::format("{}x{}.png", width, height);
    pillow.make(file, "RGB", width, height);
    for (const Preprocessing& p : all) results.push_back(ask(pillow, file, p));
  }
  pillow.run();
  size_t next = 0;
  for (const auto& [width, height] : sizes) {
    const Image image = decode_image(folder / fmt::format("{}x{}.png", width, height));
    for (size_t i = 0; i < all.size(); ++i) {
      expect_same(resize_and_crop(image, all[i]), pillow.result(results[next++]),
                  fmt::format("{} x {}, preprocessing {}", width, height, i));
    }
  }
}

TEST(Preprocess, GivesThePixelsOfPillowForRealPictures) {
  const std::vector<Path> files = real_pictures(25);
  NORMGRAFT_SKIP_WITHOUT(files);
  TemporaryFolder folder;
  Pillow pillow(folder);
  std::vector<size_t> results;
  for (const Path& file : files) results.push_back(ask(pillow, file, {}));
  pillow.run();
  for (size_t i = 0; i < files.size(); ++i) {
    expect_same(resize_and_crop(decode_image(files[i]), {}), pillow.result(results[i]), files[i].string());
  }
}

TEST(Preprocess, NormalisesChannelByChannel) {
  Preprocessing p;
  p.height = 1, p.width = 2;
  p.mean = {0.5F, 0.25F, 0.0F};
  p.std = {0.5F, 0.25F, 2.0F};
  const Image image{2, 1, {0, 51, 255, 255, 102, 51}};
  std::vector<float> chw(6);
  normalize(image, p, chw);
  const std::vector<float> expected = {-1.0F, 1.0F, -0.2F, 0.6F, 0.5F, 0.1F};
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(chw[i], expected[i], 1e-6) << i;
}

TEST(Preprocess, IsRefusedWithTheFieldAndItsRange) {
  const auto refusal = [](auto change) {
    Preprocessing p;
    change(p);
    return input_error([&] { p.validate(); });
  };
  EXPECT_TRUE(mentions(refusal([](auto& p) { p.crop_pct = 0.0; }), "crop_pct is 0, expected 0.01 to 1"));
  EXPECT_TRUE(mentions(refusal([](auto& p) { p.crop_mode = "border"; }), "crop_mode is border"));
  EXPECT_TRUE(mentions(refusal([](auto& p) { p.width = 0; }), "width is 0"));
  EXPECT_TRUE(mentions(refusal([](auto& p) { p.std[1] = 0.0F; }), "std is 0"));
  EXPECT_NO_THROW(Preprocessing{}.validate());
}

}  // namespace
}  // namespace normgraft
