#include "data/pillow.h"

namespace normgraft {
namespace {

struct ResizeCase {
  int width, height;
  int new_width, new_height;
  std::vector<double> box = {};  ///< left, top, right, bottom; all when empty
};

TEST(Resize, GivesTheBytesOfPillow) {
  const std::vector<ResizeCase> cases = {
      {97, 61, 41, 29},                               // shrink
      {97, 61, 211, 190},                             // enlarge
      {200, 31, 50, 93},                              // shrink one side, enlarge the other
      {64, 64, 64, 64},                               // nothing to do
      {64, 50, 64, 23},                               // rows only
      {64, 50, 27, 50},                               // columns only
      {1, 1, 9, 7},                                   // a single pixel
      {2, 300, 5, 3},                                 // thin
      {1000, 7, 3, 2},                                // very wide support
      {120, 90, 48, 48, {10, 20, 100, 71}},           // part of the picture
      {120, 90, 60, 45, {3.25, 7.5, 63.25, 52.625}},  // fractional edges
      {120, 90, 120, 90, {0, 0, 119.5, 90}},          // same size, other box
  };
  TemporaryFolder folder;
  Pillow pillow(folder);
  std::vector<size_t> results;
  for (size_t i = 0; i < cases.size(); ++i) {
    const ResizeCase& c = cases[i];
    const Path file = folder / fmt::format("{}.png", i);
    pillow.make(file, "RGB", c.width, c.height);
    for (const char* filter : {"bilinear", "bicubic"}) {
      Json arguments = {{"width", c.new_width}, {"height", c.new_height}, {"filter", filter}};
      if (!c.box.empty()) arguments["box"] = c.box;
      results.push_back(pillow.apply("resize", file, arguments));
    }
  }
  pillow.run();
  for (size_t i = 0; i < cases.size(); ++i) {
    const ResizeCase& c = cases[i];
    const Image image = decode_image(folder / fmt::format("{}.png", i));
    for (size_t f = 0; f < 2; ++f) {
      const Interpolation interpolation = f == 0 ? Interpolation::kBilinear : Interpolation::kBicubic;
      const Image ours = c.box.empty() ? resize(image, c.new_width, c.new_height, interpolation)
                                       : resize(image, c.new_width, c.new_height, interpolation,
                                                {c.box[0], c.box[1], c.box[2], c.box[3]});
      expect_same(ours, pillow.result(results[i * 2 + f]), fmt::format("case {} filter {}", i, f));
    }
  }
}

}  // namespace
}  // namespace normgraft
