#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>

#include "gap_axis.h"
#include "svg.h"

namespace normgraft {
namespace {

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> out;
  for (const Tick& tick : axis.ticks) out.push_back(tick.label);
  return out;
}

/// The coordinates of every polyline of a chart.
std::vector<std::string> polylines(const Chart& chart) {
  const std::string svg = chart.str();
  const std::regex pattern("<polyline[^>]*points=\"([^\"]*)\"");
  std::vector<std::string> out;
  for (std::sregex_iterator it(svg.begin(), svg.end(), pattern), end; it != end; ++it)
    out.push_back((*it)[1]);
  return out;
}

/// 100 pixels a unit of x and y, no margins.
Chart unit_chart() {
  return Chart(100, 100, Axis{0, 1, "", {}, false}, Axis{0, 1, "", {}, false}, "", {0, 0, 0, 0});
}

TEST(Axis, HasTicksAtRoundNumbers) {
  using Labels = std::vector<std::string>;
  EXPECT_EQ(labels(linear_axis(0, 1, "", 5)), (Labels{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}));
  EXPECT_EQ(labels(linear_axis(-7.3, 12.1, "", 4)), (Labels{"−5", "0", "5", "10"}));
  EXPECT_EQ(labels(linear_axis(0.9612, 0.9688, "", 4)), (Labels{"0.962", "0.964", "0.966", "0.968"}));
  EXPECT_EQ(labels(linear_axis(-3e6, 3e6, "", 3)), (Labels{"−2e+06", "0", "2e+06"}));
}

TEST(Axis, OfOneValueIsWidenedAroundIt) {
  const Axis axis = linear_axis(2, 2, "", 4);
  EXPECT_LT(axis.low, 2);
  EXPECT_GT(axis.high, 2);
  EXPECT_FALSE(axis.ticks.empty());
}

TEST(Axis, OfLogarithmsIsLabelledWithTheNumbersThemselves) {
  using Labels = std::vector<std::string>;
  EXPECT_EQ(labels(log_axis(-1.1, 0.8, "")), (Labels{"0.1", "0.2", "0.5", "1", "2", "5"}));
  EXPECT_EQ(labels(log_axis(-2.1, 1.8, "")), (Labels{"0.01", "0.1", "1", "10"}));
  EXPECT_EQ(labels(log_axis(std::log10(1.9), std::log10(2.9), "")),
            (Labels{"2", "2.2", "2.4", "2.6", "2.8"}));
  EXPECT_DOUBLE_EQ(log_axis(-1, 0.3, "").ticks[0].at, -1);
  EXPECT_LE(log_axis(-300, 300, "").ticks.size(), 9u);
  EXPECT_LT(log_axis(2, 2, "").low, log_axis(2, 2, "").high);
}

TEST(Chart, WritesANoteBelowTheLabelOfATick) {
  const Chart chart(100, 100, Axis{0, 1, "", {{0.5, "a", "<3 s>"}}, false}, Axis{0, 1, "", {}, false}, "");
  const std::string svg = chart.str();
  EXPECT_LT(svg.find(">a</text>"), svg.find(">&lt;3 s&gt;</text>"));
  EXPECT_NE(svg.find(">&lt;3 s&gt;</text>"), std::string::npos);
}

TEST(Chart, PutsTheOriginOfDataAtTheLowerLeft) {
  Chart chart = unit_chart();
  chart.line(std::vector<PlotPoint>{{0, 0}, {0.25, 0.5}, {1, 1}}, "a");
  EXPECT_EQ(polylines(chart), std::vector<std::string>{"0,100 25,50 100,0"});
}

TEST(Chart, LeavesOutPointsOnAStraightLine) {
  Chart chart = unit_chart();
  std::vector<PlotPoint> bent;
  for (int i = 0; i <= 100; ++i) bent.push_back({i / 100.0, i <= 40 ? 0.5 : 0.5 + (i - 40) / 200.0});
  chart.line(bent, "a");
  EXPECT_EQ(polylines(chart), std::vector<std::string>{"0,50 40,50 100,20"});
}

TEST(Chart, KeepsBendsThatCanBeSeen) {
  Chart chart = unit_chart();
  chart.line(std::vector<PlotPoint>{{0, 0.5}, {0.5, 0.503}, {1, 0.5}}, "a");
  chart.line(std::vector<PlotPoint>{{0, 0.5}, {0.5, 0.5005}, {1, 0.5}}, "a");
  EXPECT_EQ(polylines(chart), (std::vector<std::string>{"0,50 50,49.7 100,50", "0,50 100,50"}));
}

TEST(Chart, BreaksALineWhereItIsNotFinite) {
  Chart chart = unit_chart();
  chart.line(std::vector<PlotPoint>{{0, 0},
                                    {0.1, 0.1},
                                    {0.2, NAN},
                                    {0.3, 0.3},
                                    {0.4, std::numeric_limits<double>::infinity()},
                                    {0.5, 0},
                                    {0.6, 0}},
             "a");
  EXPECT_EQ(polylines(chart), (std::vector<std::string>{"0,100 10,90", "50,100 60,100"}));
}

TEST(Chart, KeepsFarValuesNearTheFrame) {
  Chart chart = unit_chart();
  chart.line(std::vector<PlotPoint>{{0, 1e30}, {1, -1e30}}, "a");
  EXPECT_EQ(polylines(chart), std::vector<std::string>{"0,-100 100,200"});
}

TEST(Chart, KeepsLabelsApart) {
  Chart chart(400, 400, Axis{0, 1, "", {}, false}, Axis{0, 1, "", {}, false}, "", {0, 0, 0, 0});
  for (int i = 0; i < 6; ++i) chart.label({0.5, 0.5}, "scaled-tanh", "a");
  const std::string svg = chart.str();
  const std::regex pattern("<text class=\"name a\" x=\"([^\"]*)\" y=\"([^\"]*)\"");
  std::vector<std::pair<double, double>> at;
  for (std::sregex_iterator it(svg.begin(), svg.end(), pattern), end; it != end; ++it) {
    at.emplace_back(std::stod((*it)[1]), std::stod((*it)[2]));
  }
  ASSERT_EQ(at.size(), 6u);
  for (size_t i = 0; i < at.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      EXPECT_TRUE(std::abs(at[i].first - at[k].first) > 55 || std::abs(at[i].second - at[k].second) >= 10);
    }
  }
}

TEST(GapAxis, PutsWhatIsAtTheCeilingOrAboveOnTheCeilingsLine) {
  const GapAxis axis(std::vector<double>{0.3, 0.002, -0.1, NAN});
  EXPECT_EQ(axis.at(0), axis.ceiling());
  EXPECT_EQ(axis.at(-0.1), axis.ceiling());
  EXPECT_LT(axis.ceiling(), axis.at(0.002));
  EXPECT_DOUBLE_EQ(axis.at(0.1), -1);
  EXPECT_GT(axis.axis().high, axis.at(0.3));
  EXPECT_LT(axis.axis().low, axis.ceiling());
  EXPECT_TRUE(std::isnan(axis.at(NAN)));
}

TEST(GapAxis, StandsWithoutGaps) {
  const GapAxis axis({});
  EXPECT_FALSE(axis.axis().ticks.empty());
}

}  // namespace
}  // namespace normgraft
