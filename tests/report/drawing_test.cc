#include <gtest/gtest.h>

#include <regex>

#include "fixture.h"
#include "site_drawing.h"
#include "site_view.h"

namespace normgraft {
namespace {

/// A mapping with one picture's pairs in every bin: of weight 4, with these means and spreads of y.
SiteMapping mapping_of(const std::vector<double>& y, const std::vector<double>& spread) {
  SiteMapping mapping;
  mapping.name = "site";
  for (size_t i = 0; i <= y.size(); ++i) mapping.edges.push_back(static_cast<double>(i));
  for (auto& measure : mapping.bins) {
    for (auto& fold : measure) fold.resize(y.size());
    for (size_t i = 0; i < y.size(); ++i) {
      const double centre = static_cast<double>(i) + 0.5;
      measure[0][i] = {4, centre, y[i], 0, 0, 4 * spread[i] * spread[i], 4};
    }
  }
  return mapping;
}

struct Pixel {
  double x, y;
};

/// The corners of the first element of that name and class.
std::vector<Pixel> corners(const std::string& svg, const std::string& element) {
  std::smatch found;
  const std::regex pattern("<" + element + "\" points=\"([^\"]*)\"");
  std::vector<Pixel> pixels;
  if (!std::regex_search(svg, found, pattern)) return pixels;
  std::istringstream points(found[1]);
  for (Pixel p; points >> p.x && points.ignore(1) && points >> p.y;) pixels.push_back(p);
  return pixels;
}

/// The height in pixels between the corners at the far left, or the far right.
double height_at(const std::vector<Pixel>& outline, bool left) {
  double edge = outline.front().x, top = 1e9, bottom = -1e9;
  for (const Pixel& p : outline) edge = left ? std::min(edge, p.x) : std::max(edge, p.x);
  for (const Pixel& p : outline) {
    if (std::abs(p.x - edge) > 0.2) continue;
    top = std::min(top, p.y);
    bottom = std::max(bottom, p.y);
  }
  return bottom - top;
}

TEST(DrawMapping, ShadesOneStandardDeviationToEitherSideOfTheMean) {
  const SiteMapping mapping = mapping_of({0, 0}, {3, 1});
  SiteView view;
  view.mapping = &mapping;
  const std::vector<Pixel> band =
      corners(draw_mapping(view, Measure::kCount, mapping.range()), "polygon class=\"area spread");
  ASSERT_GE(band.size(), 4U);
  EXPECT_NEAR(height_at(band, true) / height_at(band, false), 3, 0.02);
}

TEST(DrawResiduals, PutsAFunctionThatIsTooLargeAboveZero) {
  const SiteMapping mapping = mapping_of({0.5, 1.5, 2.5}, {0, 0, 0});
  SiteView view;
  view.mapping = &mapping;
  view.chosen = PlanEntry{.site = "site", .expression = Expression::parse("x + 1"), .reason = ""};
  const std::string svg = draw_residuals(view, Measure::kCount, mapping.range());
  std::smatch zero;
  ASSERT_TRUE(
      std::regex_search(svg, zero, std::regex("class=\"line mapping medium\" x1=\"0\" y1=\"([^\"]*)\"")));
  const std::vector<Pixel> line = corners(svg, "polyline class=\"line chosen thick");
  ASSERT_GE(line.size(), 2U);
  for (const Pixel& p : line) EXPECT_LT(p.y, std::stod(zero[1]) - 10);
}

TEST(CentralRange, LeavesOutNoMoreThanTheTailOnEitherSide) {
  const SiteMapping mapping = mapping_of(std::vector<double>(10, 0.0), std::vector<double>(10, 1.0));
  const Interval centre = central_range(mapping, Measure::kCount, 0.15);
  EXPECT_EQ(centre.low, 1);
  EXPECT_EQ(centre.high, 9);
  const Interval all = central_range(mapping, Measure::kCount, 0.05);
  EXPECT_EQ(all.low, 0);
  EXPECT_EQ(all.high, 10);
}

}  // namespace
}  // namespace normgraft
