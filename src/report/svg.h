#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace normgraft {

struct PlotPoint {
  double x = 0;
  double y = 0;
};

struct Tick {
  double at = 0;
  std::string label;
  std::string note = {};  ///< a second line, below the label of an x axis that is not slanted
};

/// One axis of a chart: the range of data it shows, where it is labelled, and what it says.
struct Axis {
  double low = 0;
  double high = 1;
  std::string label;
  std::vector<Tick> ticks;
  bool slanted = false;  ///< write the labels of an x axis upwards, for names
};

/// An axis over a finite range, with about `count` ticks at multiples of 1, 2 or 5 times a power of ten. An
/// empty range is widened.
Axis linear_axis(double low, double high, std::string label, int count);

/// An axis over decimal logarithms, from log10 `low` to log10 `high`, labelled with the numbers themselves.
/// An empty range is widened.
Axis log_axis(double low, double high, std::string label);

/// Space around the plotting area, in pixels.
struct Margins {
  double left = 46;
  double right = 12;
  double top = 10;
  double bottom = 38;
};

/// A drawing on two axes as inline SVG. Colours and strokes come from the page's style by class. Marks are
/// cut at the frame; points that are not finite are left out.
class Chart {
 public:
  /// `description` is what a screen reader says.
  Chart(double width, double height, Axis x, Axis y, std::string_view description, Margins margins = {});

  /// A line through the points, in several pieces where points are not finite.
  void line(std::span<const PlotPoint> points, std::string_view css);
  /// The area between two curves with the same x.
  void band(std::span<const PlotPoint> low, std::span<const PlotPoint> high, std::string_view css);
  /// Adjacent columns over the whole x axis, standing on its line: heights are shares of the plotting area.
  void strip(std::span<const double> heights, std::string_view css);
  /// A straight line across the plotting area at that y.
  void rule(double y, std::string_view css);
  /// A sign of class "dot" or "ring" (or any other circle), with text shown when pointed at.
  void circle(PlotPoint at, double radius, std::string_view css, std::string_view tooltip = {});
  void cross(PlotPoint at, double radius, std::string_view css, std::string_view tooltip = {});
  /// Text beside a point, where it is free of earlier labels.
  void label(PlotPoint at, std::string_view text, std::string_view css);
  /// Text centred above a point, whatever stands there.
  void caption(PlotPoint at, std::string_view text, std::string_view css);

  /// The finished `<svg>` element.
  std::string str() const;

 private:
  struct Box {
    double left, top, right, bottom;
  };

  double x_pixel(double x) const;
  double y_pixel(double y) const;
  PlotPoint pixel(PlotPoint p) const { return {x_pixel(p.x), y_pixel(p.y)}; }
  std::vector<std::vector<PlotPoint>> pieces(std::span<const PlotPoint> points) const;
  std::string axes() const;

  double width_, height_;
  Axis x_, y_;
  std::string description_;
  Margins margins_;
  double inner_width_, inner_height_;
  std::vector<Box> taken_;
  std::string marks_;   ///< cut at the frame
  std::string labels_;  ///< may leave it
};

}  // namespace normgraft
