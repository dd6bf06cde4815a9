#include "rand_augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "normgraft/data/filters.h"

namespace normgraft {
namespace {

constexpr int kOperations = 2;
constexpr double kProbability = 0.5;
constexpr double kDeviation = 0.5;

/// What an operation may use. `strength` is in [0, 1].
struct Draw {
  double strength;
  const std::array<uint8_t, 3>& fill;
  Random& random;

  double either_sign(double value) const { return random.uniform() < 0.5 ? -value : value; }
  double factor() const { return std::max(0.1, 1.0 + either_sign(0.9 * strength)); }
};

using Operation = void (*)(Image&, const Draw&);

void rotate(Image& image, const Draw& draw) {
  const double angle = draw.either_sign(30.0 * draw.strength) * std::numbers::pi / 180.0;
  const double c = std::cos(angle), s = std::sin(angle);
  const double x = image.width / 2.0, y = image.height / 2.0;
  affine(image, {c, s, x - c * x - s * y, -s, c, y + s * x - c * y}, draw.fill);
}

void shear_x(Image& image, const Draw& draw) {
  affine(image, {1.0, draw.either_sign(0.3 * draw.strength), 0.0, 0.0, 1.0, 0.0}, draw.fill);
}

void shear_y(Image& image, const Draw& draw) {
  affine(image, {1.0, 0.0, 0.0, draw.either_sign(0.3 * draw.strength), 1.0, 0.0}, draw.fill);
}

void translate_x(Image& image, const Draw& draw) {
  affine(image, {1.0, 0.0, draw.either_sign(0.45 * draw.strength) * image.width, 0.0, 1.0, 0.0}, draw.fill);
}

void translate_y(Image& image, const Draw& draw) {
  affine(image, {1.0, 0.0, 0.0, 0.0, 1.0, draw.either_sign(0.45 * draw.strength) * image.height}, draw.fill);
}

constexpr Operation kSet[] = {
    [](Image& image, const Draw&) { auto_contrast(image); },
    [](Image& image, const Draw&) { equalize(image); },
    [](Image& image, const Draw&) { invert(image); },
    rotate,
    [](Image& image, const Draw& draw) { posterize(image, 4 - static_cast<int>(draw.strength * 4)); },
    [](Image& image, const Draw& draw) { solarize(image, 256 - static_cast<int>(draw.strength * 256)); },
    [](Image& image, const Draw& draw) { solarize_add(image, static_cast<int>(draw.strength * 110)); },
    [](Image& image, const Draw& draw) { adjust_saturation(image, draw.factor()); },
    [](Image& image, const Draw& draw) { adjust_contrast(image, draw.factor()); },
    [](Image& image, const Draw& draw) { adjust_brightness(image, draw.factor()); },
    [](Image& image, const Draw& draw) { adjust_sharpness(image, draw.factor()); },
    shear_x,
    shear_y,
    translate_x,
    translate_y,
};

}  // namespace

void rand_augment(Image& image, int magnitude, const std::array<uint8_t, 3>& fill, Random& random) {
  for (int i = 0; i < kOperations; ++i) {
    const Operation operation = kSet[random.below(std::size(kSet))];
    if (random.uniform() >= kProbability) continue;
    const double strength = std::clamp(magnitude + kDeviation * random.normal(), 0.0, 10.0) / 10.0;
    operation(image, {strength, fill, random});
  }
}

}  // namespace normgraft
