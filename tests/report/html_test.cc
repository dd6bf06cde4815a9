#include "html.h"

#include <gtest/gtest.h>

#include <cmath>

namespace normgraft {
namespace {

TEST(Html, EscapesWhatMarkupIsMadeOf) {
  EXPECT_EQ(escape_html("a<b>&\"c\"'d'\x02\n"), "a&lt;b&gt;&amp;&quot;c&quot;&#39;d&#39;  ");
  EXPECT_EQ(escape_html("größer"), "größer");
}

TEST(Html, WritesNumbersForReaders) {
  EXPECT_EQ(format_fixed(-1.25, 1), "−1.2");
  EXPECT_EQ(format_fixed(-0.001, 2), "0.00");
  EXPECT_EQ(format_fixed(NAN, 2), "–");
  EXPECT_EQ(format_percent(0.7213, 1), "72.1");
  EXPECT_EQ(format_short(27), "27");
  EXPECT_EQ(format_short(-0.00012), "−0.00012");
  EXPECT_EQ(format_short(std::numeric_limits<double>::infinity()), "–");
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(28370000), "28\u202f370\u202f000");
  EXPECT_EQ(format_count(-123456), "-123\u202f456");
}

TEST(Html, WritesTimesInUnitsThatFit) {
  EXPECT_EQ(format_seconds(0.04), "0.0 s");
  EXPECT_EQ(format_seconds(99.94), "99.9 s");
  EXPECT_EQ(format_seconds(187), "3 min 07 s");
  EXPECT_EQ(format_seconds(7502), "2 h 05 min");
  EXPECT_EQ(format_seconds(-1), "–");
}

TEST(Html, TakesOnlyValuesOfTheRightKind) {
  const Json json = Json::parse(R"({"a": 1.5, "b": "text", "c": null, "d": 3})");
  EXPECT_EQ(number_at(json, "a"), 1.5);
  EXPECT_EQ(number_at(json, "d"), 3.0);
  EXPECT_FALSE(number_at(json, "b"));
  EXPECT_FALSE(number_at(json, "c"));
  EXPECT_FALSE(number_at(json, "missing"));
  EXPECT_FALSE(number_at(Json(3), "a"));
  EXPECT_FALSE(number_at(Json{{"a", NAN}}, "a"));
  EXPECT_EQ(text_at(json, "b"), "text");
  EXPECT_EQ(text_at(json, "a"), "");
  EXPECT_EQ(text_at(Json::array(), "b"), "");
}

}  // namespace
}  // namespace normgraft
