#include "normgraft/core/json_place.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace normgraft {
namespace {

/// The message of the InputError that reading gives.
template <typename Read>
std::string message(const Json& json, Read read) {
  try {
    read(JsonPlace(json, "plan.json"));
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(JsonPlace, ReadsWhatIsThere) {
  const Json json = Json::parse(R"({"a": {"n": 1.5, "i": -3, "u": 18446744073709551615, "t": "x", "b": true},
                                    "list": [1, null]})");
  const JsonPlace root(json, "plan.json");
  EXPECT_EQ(root["a"]["n"].number(), 1.5);
  EXPECT_EQ(root["a"]["i"].integer(-3, 3), -3);
  EXPECT_EQ(root["a"]["u"].unsigned_integer(), ~uint64_t{0});
  EXPECT_EQ(root["a"]["t"].text(), "x");
  EXPECT_TRUE(root["a"]["b"].boolean());
  ASSERT_EQ(root["list"].elements().size(), 2U);
  EXPECT_TRUE(std::isnan(root["list"].elements()[1].number_or_nan()));
  EXPECT_TRUE(root.find("a").has_value());
  EXPECT_FALSE(root.find("c").has_value());
  const auto members = root["a"].members();
  ASSERT_EQ(members.size(), 5U);
  EXPECT_EQ(members[3].first, "t");
  EXPECT_EQ(members[3].second.text(), "x");
}

TEST(JsonPlace, NamesTheFileAndThePlaceOfWhatIsWrong) {
  const Json json = Json::parse(R"({"sites": [{"cost": 1}, {"cost": "2"}], "big": 18446744073709551615})");
  EXPECT_EQ(message(json, [](const JsonPlace& p) { p["sites"].elements()[1]["cost"].number(); }),
            "plan.json: sites[1].cost: expected a finite number");
  EXPECT_EQ(message(json, [](const JsonPlace& p) { p["sites"].elements()[0]["price"]; }),
            "plan.json: sites[0].price is missing");
  EXPECT_EQ(message(json, [](const JsonPlace& p) { p["sites"].members(); }),
            "plan.json: sites: expected an object");
  EXPECT_EQ(message(json, [](const JsonPlace& p) { p["sites"].find("cost"); }),
            "plan.json: sites: expected an object");
  EXPECT_EQ(message(json, [](const JsonPlace& p) { p.elements(); }), "plan.json: expected a list");
  EXPECT_EQ(message(json, [](const JsonPlace& p) { p["big"].integer(0, 5); }),
            "plan.json: big: expected an integer from 0 to 5");
  EXPECT_EQ(message(json, [](const JsonPlace& p) { p["big"].text(); }), "plan.json: big: expected a text");
  EXPECT_EQ(message(json, [](const JsonPlace& p) { p["big"].boolean(); }),
            "plan.json: big: expected true or false");
}

TEST(JsonPlace, AcceptsVersionsUpToTheNewestAndSaysWhichOneItIs) {
  const auto check = [](const Json& version) {
    return message(Json{{"version", version}}, [](const JsonPlace& p) { p.check_version(3); });
  };
  EXPECT_EQ(check(1), "accepted");
  EXPECT_EQ(JsonPlace(Json{{"version", 2}}, "f").check_version(3), 2);
  EXPECT_EQ(check(3), "accepted");
  EXPECT_EQ(check(4), "plan.json: version 4 is newer than version 3, the newest this program reads");
  EXPECT_EQ(check(0), "plan.json: version: expected an integer from 1 to 9223372036854775807");
  EXPECT_EQ(check("1"), "plan.json: version: expected an integer from 1 to 9223372036854775807");
  EXPECT_EQ(message(Json::object(), [](const JsonPlace& p) { p.check_version(3); }),
            "plan.json: version is missing");
}

TEST(NumberOrNull, WritesNullWhereJsonHasNoNumber) {
  EXPECT_EQ(number_or_null(0.25).dump(), "0.25");
  EXPECT_TRUE(number_or_null(std::nan("")).is_null());
  EXPECT_TRUE(number_or_null(-std::numeric_limits<double>::infinity()).is_null());
}

}  // namespace
}  // namespace normgraft
