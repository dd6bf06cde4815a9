#include "normgraft/data/procedural.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <numbers>
#include <vector>

#include "normgraft/core/random.h"
#include "shapes.h"

namespace normgraft {
namespace {

constexpr int kSide = 64;
using Color = std::array<double, 3>;

/// Ranges that set how hard the pictures are; lengths in pixels, colours and noise in [0, 1].
constexpr double kSmallestShape = 19.0, kLargestShape = 27.0;
constexpr double kSmallestPatch = 25.0, kLargestPatch = 32.0;
constexpr double kShortestPeriod = 9.0, kLongestPeriod = 13.0;
constexpr double kFarthestShift = 5.0;
constexpr double kLeastContrast = 0.5;
constexpr double kMostNoise = 0.04;
constexpr double kMostGradient = 0.15;
constexpr int kMostDistractors = 3;
constexpr double kLargestDistractor = 4.0;

/// What a class is: the signed distance to its figure, at `p` pixels from its centre and turned with it.
struct Figure {
  double size;    ///< radius of a shape or of the patch that a texture fills
  double period;  ///< of a texture
};
using Distance = double (*)(Point p, const Figure& figure);

template <double (*kUnitShape)(Point)>
double scaled(Point p, const Figure& figure) {
  return kUnitShape({p.x / figure.size, p.y / figure.size}) * figure.size;
}

double disc(Point p, const Figure& figure) {
  return disc_distance(p, 0.9 * figure.size);
}

/// A texture shows inside a disc.
double in_patch(Point p, const Figure& figure, double texture) {
  return std::max(texture, disc_distance(p, figure.size));
}

double stripes(Point p, const Figure& figure) {
  return in_patch(p, figure, alternating_distance(p.x, figure.period));
}

double checker(Point p, const Figure& figure) {
  const double across = alternating_distance(p.x, 1.5 * figure.period);
  const double down = alternating_distance(p.y, 1.5 * figure.period);
  const double nearest = std::min(std::abs(across), std::abs(down));
  return in_patch(p, figure, (across < 0.0) == (down < 0.0) ? -nearest : nearest);
}

double dots(Point p, const Figure& figure) {
  const auto to_center = [&](double x) {
    return (x / figure.period - std::round(x / figure.period)) * figure.period;
  };
  return in_patch(p, figure, disc_distance({to_center(p.x), to_center(p.y)}, 0.3 * figure.period));
}

double waves(Point p, const Figure& figure) {
  const double shift = 0.45 * figure.period * std::sin(p.y * std::numbers::pi / figure.period);
  return in_patch(p, figure, alternating_distance(p.x + shift, figure.period) * 0.7);
}

double spiral(Point p, const Figure& figure) {
  const double turn = std::atan2(p.y, p.x) / (2.0 * std::numbers::pi);
  return in_patch(p, figure,
                  alternating_distance(std::hypot(p.x, p.y) - turn * figure.period, figure.period));
}

struct Class {
  const char* name;
  Distance distance;
  bool texture;
};

constexpr Class kClasses[kProceduralClasses] = {
    {"disc", disc, false},
    {"ring", scaled<ring_distance>, false},
    {"square", scaled<square_distance>, false},
    {"triangle", scaled<triangle_distance>, false},
    {"star", scaled<star_distance>, false},
    {"cross", scaled<cross_distance>, false},
    {"crescent", scaled<crescent_distance>, false},
    {"stripes", stripes, true},
    {"checker", checker, true},
    {"dots", dots, true},
    {"waves", waves, true},
    {"spiral", spiral, true},
};

/// A picture in the making: kSide x kSide colours.
class Canvas {
 public:
  explicit Canvas(const Color& background) : pixels_(kSide * kSide, background) {}

  /// Covers what lies within the distance function, with an edge one pixel wide.
  template <class DistanceFunction>
  void paint(const Color& color, DistanceFunction distance) {
    for_each([&](Point p, Color& pixel) {
      const double cover = std::clamp(0.5 - distance(p), 0.0, 1.0);
      for (size_t c = 0; c < 3; ++c) pixel[c] += cover * (color[c] - pixel[c]);
    });
  }

  /// Calls change(p, pixel) with p from the top left corner, row by row.
  template <class Change>
  void for_each(Change change) {
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x)
        change(Point{x + 0.5, y + 0.5}, pixels_[static_cast<size_t>(y) * kSide + static_cast<size_t>(x)]);
    }
  }

  Image to_image() const {
    Image image{kSide, kSide, {}};
    for (const Color& pixel : pixels_) {
      for (double value : pixel) {
        image.rgb.push_back(static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 1.0) * 255.0)));
      }
    }
    return image;
  }

 private:
  std::vector<Color> pixels_;
};

double distance_between(const Color& a, const Color& b) {
  return std::sqrt(
      ((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2])) / 3);
}

Color random_color(Random& random) {
  Color color;
  for (double& channel : color) channel = random.uniform();
  return color;
}

Color random_color_unlike(const Color& other, Random& random) {
  Color color = random_color(random);
  while (distance_between(color, other) < kLeastContrast) color = random_color(random);
  return color;
}

Point random_point(Random& random, double margin) {
  const double x = random.uniform(margin, kSide - margin);
  const double y = random.uniform(margin, kSide - margin);
  return {x, y};
}

/// A small disc or line.
void paint_distractor(Canvas& canvas, Random& random) {
  const Color color = random_color(random);
  const Point from = random_point(random, 0.0);
  const double size = random.uniform(1.0, kLargestDistractor);
  const double angle = random.uniform(0.0, 2.0 * std::numbers::pi);
  const bool line = random.uniform() < 0.5;
  const double length = line ? 4.0 * size : 1e-3;
  const double half_width = line ? 0.8 : size;
  const Point to{from.x + length * std::cos(angle), from.y + length * std::sin(angle)};
  canvas.paint(color, [&](Point p) { return segment_distance(p, from, to) - half_width; });
}

void paint_figure(Canvas& canvas, const Class& kind, const Color& color, Random& random) {
  const double size = kind.texture ? random.uniform(kSmallestPatch, kLargestPatch)
                                   : random.uniform(kSmallestShape, kLargestShape);
  const Figure figure{size, random.uniform(kShortestPeriod, kLongestPeriod)};
  const Point center = random_point(random, kSide / 2 - kFarthestShift);
  const double angle = random.uniform(0.0, 2.0 * std::numbers::pi);
  const double c = std::cos(angle), s = std::sin(angle);
  canvas.paint(color, [&](Point p) {
    const Point d{p.x - center.x, p.y - center.y};
    return kind.distance({c * d.x + s * d.y, c * d.y - s * d.x}, figure);
  });
}

/// A slope of brightness in a random direction, and noise.
void weather(Canvas& canvas, Random& random) {
  const double slope = random.uniform(0.0, kMostGradient);
  const double angle = random.uniform(0.0, 2.0 * std::numbers::pi);
  const double noise = random.uniform(0.0, kMostNoise);
  const double dx = slope * std::cos(angle) / kSide, dy = slope * std::sin(angle) / kSide;
  canvas.for_each([&](Point p, Color& pixel) {
    const double light = dx * (p.x - kSide / 2) + dy * (p.y - kSide / 2);
    for (double& value : pixel) value += light + noise * random.normal();
  });
}

}  // namespace

std::string procedural_class_name(int class_index) {
  assert(class_index >= 0 && class_index < kProceduralClasses);
  return fmt::format("{:02}-{}", class_index, kClasses[class_index].name);
}

Image draw_procedural(int class_index, int64_t index, uint64_t seed) {
  assert(class_index >= 0 && class_index < kProceduralClasses);
  Random random({seed, static_cast<uint64_t>(class_index), static_cast<uint64_t>(index)});
  const Color background = random_color(random);
  Canvas canvas(background);
  for (uint64_t i = random.below(kMostDistractors + 1); i > 0; --i) paint_distractor(canvas, random);
  paint_figure(canvas, kClasses[class_index], random_color_unlike(background, random), random);
  weather(canvas, random);
  return canvas.to_image();
}

void write_procedural_set(const Path& root, int64_t per_class, uint64_t seed, Monitor& monitor) {
  const int64_t total = per_class * kProceduralClasses;
  int64_t done = 0;
  for (int kind = 0; kind < kProceduralClasses; ++kind) {
    for (int64_t i = 0; i < per_class; ++i) {
      monitor.check();
      write_png(root / procedural_class_name(kind) / fmt::format("{:05}.png", i),
                draw_procedural(kind, i, seed));
      monitor.progress("draw", ++done, total, "pictures");
    }
  }
}

}  // namespace normgraft
