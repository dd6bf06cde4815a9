#include "svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "html.h"

namespace normgraft {
namespace {

constexpr double kFlat = 0.08;        ///< pixels that a simplified line may be off
constexpr double kLetterWidth = 6.1;  ///< of a label, in pixels
constexpr double kLetterHeight = 10;
constexpr double kDecades = 8;       ///< of a logarithmic axis that are labelled, at most
constexpr double kFewDecades = 2.2;  ///< of a logarithmic axis on which 2 and 5 are labelled too

/// One decimal, shortest form.
std::string coordinate(double v) {
  const double rounded = std::round(v * 10) / 10;
  return fmt::format("{}", rounded == 0 ? 0.0 : rounded);
}

std::string coordinates(std::span<const PlotPoint> points) {
  std::string out;
  for (const PlotPoint& p : points) {
    if (!out.empty()) out += ' ';
    out += coordinate(p.x) + ',' + coordinate(p.y);
  }
  return out;
}

double distance_to_segment(PlotPoint p, PlotPoint a, PlotPoint b) {
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double length2 = dx * dx + dy * dy;
  const double t = length2 > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length2, 0.0, 1.0) : 0.0;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/// Appends what has to be kept of points (first, last], so that no point left out is farther than kFlat away
/// (Douglas and Peucker 1973).
void keep_needed(std::span<const PlotPoint> points, size_t first, size_t last, std::vector<PlotPoint>& kept) {
  size_t farthest = first;
  double distance = kFlat;
  for (size_t i = first + 1; i < last; ++i) {
    const double d = distance_to_segment(points[i], points[first], points[last]);
    if (d > distance) distance = d, farthest = i;
  }
  if (farthest != first) {
    keep_needed(points, first, farthest, kept);
    keep_needed(points, farthest, last, kept);
  } else {
    kept.push_back(points[last]);
  }
}

std::vector<PlotPoint> simplified(std::span<const PlotPoint> points) {
  if (points.size() < 3) return {points.begin(), points.end()};
  std::vector<PlotPoint> kept{points.front()};
  keep_needed(points, 0, points.size() - 1, kept);
  return kept;
}

bool finite(PlotPoint p) {
  return std::isfinite(p.x) && std::isfinite(p.y);
}

std::string closed(std::string_view element, std::string_view tooltip) {
  if (tooltip.empty()) return fmt::format("<{}/>", element);
  const std::string_view name = element.substr(0, element.find(' '));
  return fmt::format("<{}><title>{}</title></{}>", element, escape_html(tooltip), name);
}

}  // namespace

Axis linear_axis(double low, double high, std::string label, int count) {
  if (!(high > low)) {
    const double room = std::max(std::abs(low) * 0.05, 1e-3);
    low -= room;
    high += room;
  }
  Axis axis{low, high, std::move(label), {}, false};
  const double raw = (high - low) / std::max(count, 1);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double ratio = raw / power;
  const double step = power * (ratio < 1.5 ? 1 : ratio < 3.5 ? 2 : ratio < 7.5 ? 5 : 10);
  const int digits = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 9);
  const double slack = step * 1e-6;
  for (double k = std::ceil((low - slack) / step); k * step <= high + slack; ++k) {
    axis.ticks.push_back({k * step, step < 1e5 ? format_fixed(k * step, digits) : format_short(k * step)});
  }
  return axis;
}

Axis log_axis(double low, double high, std::string label) {
  if (!(high > low)) low -= 0.05, high += 0.05;
  Axis axis{low, high, std::move(label), {}, false};
  const double decades = high - low;
  if (decades < 1) {
    for (const Tick& tick : linear_axis(std::pow(10.0, low), std::pow(10.0, high), "", 5).ticks) {
      axis.ticks.push_back({std::log10(tick.at), format_short(tick.at)});
    }
    return axis;
  }
  const int stride = static_cast<int>(std::ceil(decades / kDecades));
  for (int decade = static_cast<int>(std::floor(low)); decade <= high; decade += stride) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      if (digit != 1 && decades >= kFewDecades) continue;
      const double value = digit * std::pow(10.0, decade), at = std::log10(value);
      if (at >= low && at <= high) axis.ticks.push_back({at, format_short(value)});
    }
  }
  return axis;
}

Chart::Chart(double width, double height, Axis x, Axis y, std::string_view description, Margins margins)
    : width_(width),
      height_(height),
      x_(std::move(x)),
      y_(std::move(y)),
      description_(description),
      margins_(margins),
      inner_width_(width - margins.left - margins.right),
      inner_height_(height - margins.top - margins.bottom) {}

double Chart::x_pixel(double x) const {
  return (x - x_.low) / (x_.high - x_.low) * inner_width_;
}

double Chart::y_pixel(double y) const {
  const double pixel = (y_.high - y) / (y_.high - y_.low) * inner_height_;
  return std::clamp(pixel, -inner_height_, 2 * inner_height_);
}

std::vector<std::vector<PlotPoint>> Chart::pieces(std::span<const PlotPoint> points) const {
  std::vector<std::vector<PlotPoint>> out(1);
  for (const PlotPoint& p : points) {
    if (finite(p)) {
      out.back().push_back(pixel(p));
    } else if (!out.back().empty()) {
      out.emplace_back();
    }
  }
  return out;
}

void Chart::line(std::span<const PlotPoint> points, std::string_view css) {
  for (const auto& piece : pieces(points)) {
    if (piece.size() < 2) continue;
    marks_ +=
        fmt::format("<polyline class=\"line {}\" points=\"{}\"/>\n", css, coordinates(simplified(piece)));
  }
}

void Chart::band(std::span<const PlotPoint> low, std::span<const PlotPoint> high, std::string_view css) {
  std::vector<PlotPoint> below, above;
  for (size_t i = 0; i < std::min(low.size(), high.size()); ++i) {
    if (!finite(low[i]) || !finite(high[i])) continue;
    below.push_back(pixel(low[i]));
    above.push_back(pixel(high[i]));
  }
  if (below.size() < 2) return;
  std::vector<PlotPoint> outline = simplified(above);
  const std::vector<PlotPoint> back = simplified(below);
  outline.insert(outline.end(), back.rbegin(), back.rend());
  marks_ += fmt::format("<polygon class=\"area {}\" points=\"{}\"/>\n", css, coordinates(outline));
}

void Chart::strip(std::span<const double> heights, std::string_view css) {
  if (heights.empty()) return;
  std::string path = fmt::format("M0 {}", coordinate(inner_height_));
  const double step = inner_width_ / static_cast<double>(heights.size());
  for (size_t i = 0; i < heights.size(); ++i) {
    const double height = std::isfinite(heights[i]) ? heights[i] : 0;
    path += fmt::format("V{}H{}", coordinate(inner_height_ * (1 - height)),
                        coordinate(step * static_cast<double>(i + 1)));
  }
  marks_ += fmt::format("<path class=\"area {}\" d=\"{}V{}Z\"/>\n", css, path, coordinate(inner_height_));
}

void Chart::rule(double y, std::string_view css) {
  if (!std::isfinite(y)) return;
  const std::string at = coordinate(y_pixel(y));
  marks_ += fmt::format("<line class=\"line {}\" x1=\"0\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", css, at,
                        coordinate(inner_width_), at);
}

void Chart::circle(PlotPoint at, double radius, std::string_view css, std::string_view tooltip) {
  if (!finite(at)) return;
  const PlotPoint p = pixel(at);
  marks_ += closed(fmt::format("circle class=\"{}\" cx=\"{}\" cy=\"{}\" r=\"{}\"", css, coordinate(p.x),
                               coordinate(p.y), radius),
                   tooltip) +
            "\n";
  taken_.push_back({p.x - radius, p.y - radius, p.x + radius, p.y + radius});
}

void Chart::cross(PlotPoint at, double radius, std::string_view css, std::string_view tooltip) {
  if (!finite(at)) return;
  const PlotPoint p = pixel(at);
  const double size = 2 * radius;
  marks_ +=
      closed(fmt::format("path class=\"line {}\" d=\"M{} {}l{} {}m0 {}l{} {}\"", css,
                         coordinate(p.x - radius), coordinate(p.y - radius), size, size, -size, -size, size),
             tooltip) +
      "\n";
  taken_.push_back({p.x - radius, p.y - radius, p.x + radius, p.y + radius});
}

void Chart::label(PlotPoint at, std::string_view text, std::string_view css) {
  if (!finite(at)) return;
  const PlotPoint p = pixel(at);
  const double width = kLetterWidth * static_cast<double>(text.size()) + 4;
  const auto box_at = [&](double left, double middle) {
    return Box{left, middle - kLetterHeight / 2, left + width, middle + kLetterHeight / 2};
  };
  const auto free = [&](const Box& box) {
    if (box.left < 0 || box.right > inner_width_ || box.top < 0 || box.bottom > inner_height_) return false;
    return std::none_of(taken_.begin(), taken_.end(), [&](const Box& other) {
      return box.left < other.right && other.left < box.right && box.top < other.bottom &&
             other.top < box.bottom;
    });
  };
  Box chosen = box_at(p.x + 7, p.y);
  bool found = free(chosen);
  for (int ring = 0; ring < 6 && !found; ++ring) {
    const double lift = 11.0 * ring;
    for (const Box& box :
         {box_at(p.x + 7, p.y - lift), box_at(p.x - 7 - width, p.y - lift), box_at(p.x + 7, p.y + lift),
          box_at(p.x - 7 - width, p.y + lift), box_at(p.x - width / 2, p.y - lift - 11),
          box_at(p.x - width / 2, p.y + lift + 11)}) {
      if (!free(box)) continue;
      chosen = box;
      found = true;
      break;
    }
  }
  if (!found) return;
  taken_.push_back(chosen);
  labels_ +=
      fmt::format("<text class=\"name {}\" x=\"{}\" y=\"{}\">{}</text>\n", css, coordinate(chosen.left),
                  coordinate((chosen.top + chosen.bottom) / 2 + 3.5), escape_html(text));
}

void Chart::caption(PlotPoint at, std::string_view text, std::string_view css) {
  if (!finite(at)) return;
  const PlotPoint p = pixel(at);
  labels_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", css,
                         coordinate(p.x), coordinate(p.y - 5), escape_html(text));
}

std::string Chart::axes() const {
  std::string out;
  const std::string bottom = coordinate(inner_height_), right = coordinate(inner_width_);
  for (const Tick& tick : y_.ticks) {
    const double y = y_pixel(tick.at);
    out +=
        fmt::format("<line class=\"grid\" x1=\"0\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\"/>", coordinate(y), right);
    out += fmt::format("<text class=\"tick\" x=\"-6\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
                       coordinate(y + 3.5), escape_html(tick.label));
  }
  for (const Tick& tick : x_.ticks) {
    const std::string x = coordinate(x_pixel(tick.at));
    out += fmt::format("<line class=\"grid\" x1=\"{0}\" y1=\"0\" x2=\"{0}\" y2=\"{1}\"/>", x, bottom);
    if (x_.slanted) {
      out += fmt::format(
          "<text class=\"tick\" transform=\"translate({} {}) rotate(-50)\" text-anchor=\"end\">{}</text>\n",
          coordinate(x_pixel(tick.at) + 4), coordinate(inner_height_ + 11), escape_html(tick.label));
    } else {
      out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x,
                         coordinate(inner_height_ + 14), escape_html(tick.label));
      if (tick.note.empty()) continue;
      out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x,
                         coordinate(inner_height_ + 28), escape_html(tick.note));
    }
  }
  out += fmt::format("<rect class=\"frame\" x=\"0\" y=\"0\" width=\"{}\" height=\"{}\"/>\n", right, bottom);
  if (!x_.label.empty()) {
    out += fmt::format("<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                       coordinate(inner_width_ / 2), coordinate(inner_height_ + 31), escape_html(x_.label));
  }
  if (!y_.label.empty()) {
    out += fmt::format(
        "<text class=\"axis\" transform=\"translate({} {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
        coordinate(11 - margins_.left), coordinate(inner_height_ / 2), escape_html(y_.label));
  }
  return out;
}

std::string Chart::str() const {
  return fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\" role=\"img\" "
      "aria-label=\"{}\">\n"
      "<g transform=\"translate({} {})\">\n{}<svg x=\"0\" y=\"0\" width=\"{}\" "
      "height=\"{}\">\n{}</svg>\n{}</g></svg>\n",
      width_, height_, width_, height_, escape_html(description_), margins_.left, margins_.top, axes(),
      coordinate(inner_width_), coordinate(inner_height_), marks_, labels_);
}

}  // namespace normgraft
