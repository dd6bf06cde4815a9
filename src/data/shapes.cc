#include "shapes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

namespace normgraft {
namespace {

/// Corners on circles about the origin, whose radii are taken in turn.
template <size_t kCorners>
std::array<Point, kCorners> spread_corners(std::initializer_list<double> radii) {
  std::array<Point, kCorners> corners;
  for (size_t i = 0; i < kCorners; ++i) {
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(i) / kCorners;
    const double radius = radii.begin()[i % radii.size()];
    corners[i] = {radius * std::cos(angle), radius * std::sin(angle)};
  }
  return corners;
}

}  // namespace

double disc_distance(Point p, double radius) {
  return std::hypot(p.x, p.y) - radius;
}

double segment_distance(Point p, Point a, Point b) {
  const Point ab{b.x - a.x, b.y - a.y};
  const Point ap{p.x - a.x, p.y - a.y};
  const double along = std::clamp((ap.x * ab.x + ap.y * ab.y) / (ab.x * ab.x + ab.y * ab.y), 0.0, 1.0);
  return std::hypot(ap.x - along * ab.x, ap.y - along * ab.y);
}

double polygon_distance(Point p, std::span<const Point> corners) {
  double distance = std::numeric_limits<double>::max();
  bool inside = false;
  for (size_t i = 0; i < corners.size(); ++i) {
    const Point a = corners[i];
    const Point b = corners[(i + 1) % corners.size()];
    distance = std::min(distance, segment_distance(p, a, b));
    const bool crosses = (a.y > p.y) != (b.y > p.y);
    if (crosses && p.x < a.x + (b.x - a.x) * (p.y - a.y) / (b.y - a.y)) inside = !inside;
  }
  return inside ? -distance : distance;
}

double alternating_distance(double x, double period) {
  const double phase = x / period - std::floor(x / period);
  return (std::abs(phase - 0.5) - 0.25) * period;
}

double square_distance(Point p) {
  static const auto kCorners = spread_corners<4>({1.0});
  return polygon_distance(p, kCorners);
}

double triangle_distance(Point p) {
  static const auto kCorners = spread_corners<3>({1.0});
  return polygon_distance(p, kCorners);
}

double star_distance(Point p) {
  static const auto kCorners = spread_corners<10>({1.0, 0.42});
  return polygon_distance(p, kCorners);
}

double cross_distance(Point p) {
  constexpr double kArm = 0.3;
  constexpr Point kCorners[] = {{1, -kArm},     {1, kArm},     {kArm, kArm}, {kArm, 1},
                                {-kArm, 1},     {-kArm, kArm}, {-1, kArm},   {-1, -kArm},
                                {-kArm, -kArm}, {-kArm, -1},   {kArm, -1},   {kArm, -kArm}};
  return polygon_distance(p, kCorners);
}

double ring_distance(Point p) {
  return std::abs(disc_distance(p, 0.75)) - 0.2;
}

double crescent_distance(Point p) {
  return std::max(disc_distance(p, 0.95), -disc_distance({p.x - 0.5, p.y}, 0.8));
}

}  // namespace normgraft
