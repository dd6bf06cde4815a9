#pragma once

#include <span>

namespace normgraft {

struct Point {
  double x, y;
};

/// Signed distances, negative inside, exact near the edges, so that clamping them to one pixel smooths the
/// edge.
double disc_distance(Point p, double radius);
double polygon_distance(Point p, std::span<const Point> corners);
double segment_distance(Point p, Point a, Point b);

/// Signed distance to half of a line, cut into stretches of `period` that alternate between in and out.
double alternating_distance(double x, double period);

/// Shapes of about radius 1 about the origin.
double square_distance(Point p);
double triangle_distance(Point p);
double star_distance(Point p);
double cross_distance(Point p);
double ring_distance(Point p);
double crescent_distance(Point p);

}  // namespace normgraft
