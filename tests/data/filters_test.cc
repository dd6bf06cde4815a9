#include "normgraft/data/filters.h"

#include <functional>

#include "data/pillow.h"

namespace normgraft {
namespace {

struct FilterCase {
  std::string op;
  Json arguments;
  std::function<void(Image&)> apply;
  int tolerance = 0;
};

std::vector<FilterCase> all_filter_cases() {
  std::vector<FilterCase> cases = {
      {"auto_contrast", Json::object(), auto_contrast},
      {"equalize", Json::object(), equalize},
      {"invert", Json::object(), invert},
      {"flip", Json::object(), flip_horizontally},
  };
  for (double factor : {0.1, 0.6, 0.93, 1.0, 1.37, 1.9}) {
    const Json value = {{"value", factor}};
    cases.push_back({"brightness", value, [=](Image& image) { adjust_brightness(image, factor); }});
    cases.push_back({"contrast", value, [=](Image& image) { adjust_contrast(image, factor); }});
    cases.push_back({"saturation", value, [=](Image& image) { adjust_saturation(image, factor); }});
    cases.push_back({"sharpness", value, [=](Image& image) { adjust_sharpness(image, factor); }});
  }
  for (int bits : {1, 3, 8}) {
    cases.push_back({"posterize", {{"value", bits}}, [=](Image& image) { posterize(image, bits); }});
  }
  for (int threshold : {0, 100, 256}) {
    cases.push_back({"solarize", {{"value", threshold}}, [=](Image& image) { solarize(image, threshold); }});
  }
  const std::vector<std::array<double, 6>> matrices = {
      {1, 0, 0, 0, 1, 0}, {1, 0.21, 0, 0, 1, 0}, {0.9, 0.3, -4.3, -0.3, 0.9, 7.1}, {1, 0, 12.25, 0, 1, -3.5}};
  for (const auto& m : matrices) {
    const Json arguments = {{"matrix", m}, {"fill", {10, 120, 250}}};
    cases.push_back({"affine", arguments, [=](Image& image) { affine(image, m, {10, 120, 250}); }, 1});
  }
  return cases;
}

TEST(Filters, DoWhatPillowDoes) {
  TemporaryFolder folder;
  Pillow pillow(folder);
  const std::vector<FilterCase> cases = all_filter_cases();
  std::vector<Path> files = {folder / "a.jpg", folder / "b.png", folder / "flat.png"};
  pillow.make(files[0], "RGB", 90, 70);
  pillow.make(files[1], "L", 41, 57);
  write_png(files[2], {40, 30, std::vector<uint8_t>(40 * 30 * 3, 77)});
  const auto real = real_pictures(331);
  files.insert(files.end(), real.begin(), real.end());
  std::vector<size_t> results;
  for (const Path& file : files) {
    for (const FilterCase& c : cases) results.push_back(pillow.apply(c.op, file, c.arguments));
  }
  pillow.run();
  size_t next = 0;
  for (const Path& file : files) {
    const Image image = decode_image(file);
    for (const FilterCase& c : cases) {
      Image ours = image;
      c.apply(ours);
      expect_same(ours, pillow.result(results[next++]), c.op + " " + c.arguments.dump() + " " + file.string(),
                  c.tolerance);
    }
  }
}

TEST(Filters, SolarizeAddLightensTheDarkHalfOnly) {
  Image image{2, 1, {0, 100, 127, 128, 200, 255}};
  solarize_add(image, 60);
  EXPECT_EQ(image.rgb, (std::vector<uint8_t>{60, 160, 187, 128, 200, 255}));
}

}  // namespace
}  // namespace normgraft
