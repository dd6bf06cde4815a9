#include "normgraft/cost/profile.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

double flops(const std::string& text) {
  return flops_profile()(Expression::parse(text));
}

/// A profile file in the temporary folder, removed at the end.
class ProfileFile {
 public:
  explicit ProfileFile(const Json& json)
      : path_(std::filesystem::temp_directory_path() / ("normgraft_profile_" + std::to_string(::getpid()))) {
    write_json(path_, json);
  }
  ~ProfileFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  Path path_;
};

Json complete_profile() {
  Json json = {{"name", "array"}, {"unit", "LUTs"}, {"cost", Json::object()}};
  for (const Primitive& p : primitives()) json["cost"][std::string(p.name)] = 2.5;
  return json;
}

std::string message_for(const Json& json) {
  const ProfileFile file(json);
  try {
    load_profile(file.path());
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(FlopsProfile, PricesEveryPrimitiveOfTheRegistry) {
  const Profile profile = flops_profile();
  EXPECT_EQ(profile.cost.size(), primitives().size());
  for (const Primitive& p : primitives()) EXPECT_TRUE(profile.cost.contains(p.name)) << p.name;
}

TEST(FlopsProfile, GivesThePublishedCounts) {
  EXPECT_EQ(flops("tanh(x)"), 23);
  EXPECT_EQ(flops("sigmoid(x)"), 22);
  EXPECT_EQ(flops("x + x"), 1);
  EXPECT_EQ(flops("x * x"), 1);
  EXPECT_EQ(flops("-x"), 0);
  EXPECT_EQ(flops("clip(x, -5, 5)"), 0);
  EXPECT_EQ(flops("0.5*tanh(0.7*x) + 0.1"), 26);
}

TEST(FlopsProfile, CountsAClipInTheSearchOnly) {
  const Expression stacked = Expression::parse("clip(2*clip(x, -1, 2), -3, 3)");
  EXPECT_EQ(flops_profile(1.0)(stacked), 3);
  EXPECT_EQ(flops_profile()(stacked), 1);
}

TEST(FlopsProfile, CountsAnArithmeticOperationOrAComparisonOnceAndASignBitNever) {
  for (const char* text : {"x - 2", "x/2", "min(x, 2)", "max(x, 2)", "square(x)", "sqrt(x)"}) {
    EXPECT_EQ(flops(text), 1) << text;
  }
  EXPECT_EQ(flops("abs(x)"), 0);
}

TEST(FlopsProfile, PricesErfAsItsApproximation) {
  // Abramowitz and Stegun 7.1.26: t = 1/(1 + p |x|), erf = 1 - (a1 t + ... + a5 t^5) exp(-x^2); t stands as x
  // below.
  EXPECT_EQ(flops("erf(x)"),
            flops("1/(1 + 0.3*abs(x))") + flops("1 - ((((5*x + 4)*x + 3)*x + 2)*x + 1)*x*exp(-square(x))"));
}

TEST(FlopsProfile, IsConsistentBetweenPrimitivesThatAreMadeOfOthers) {
  EXPECT_EQ(flops("sigmoid(x)"), flops("1/(1 + exp(-x))"));
  EXPECT_EQ(flops("rsqrt(x)"), flops("1/sqrt(x)"));
  EXPECT_EQ(flops("square(x)"), flops("x*x"));
  EXPECT_EQ(flops("log(x)"), flops("exp(x)"));
  EXPECT_EQ(flops("exp(x)"), flops("exp2(1.442695*x)"));
  EXPECT_EQ(flops("log(x)"), flops("0.693147*log2(x)"));
}

double flops_per_element(const char* text, int64_t channels) {
  return cost_per_element(Expression::parse(text), flops_profile(), channels);
}

TEST(CostPerElement, CountsOnceATokenWhatDoesNotDependOnX) {
  EXPECT_DOUBLE_EQ(flops_per_element("x*rsqrt(r)", 4), 1 + 2 / 4.0);
  EXPECT_DOUBLE_EQ(flops_per_element("x*exp(0.5*r-1)+0.25", 100), 2 + 22 / 100.0);
  EXPECT_DOUBLE_EQ(flops_per_element("tanh(x*r)", 4), 24) << "nothing is done without x";
  EXPECT_DOUBLE_EQ(flops_per_element("(r+1)*(x+1)*(r+2)", 4), 3 + 2 / 4.0);
}

TEST(CostPerElement, OfAFunctionOfRAloneIsThatOfOneElementOfTheToken) {
  EXPECT_DOUBLE_EQ(flops_per_element("exp(-r)+1", 7), 21 / 7.0);
  EXPECT_DOUBLE_EQ(flops_per_element("2+3", 7), 1 / 7.0);
  EXPECT_DOUBLE_EQ(flops_per_element("r", 7), 0);
}

TEST(CostPerElement, OfAFunctionOfXIsTheSumOverItsProgramWhateverItsLeavesCost) {
  Profile profile = flops_profile();
  profile.cost["constant"] = 0.25;
  profile.cost["x"] = 0.5;
  profile.cost["r"] = 3;
  for (const char* text : {"x", "2*x+1", "0.48*clip(2*x+0.17, -5, 5)", "x/(1.5+0.4*abs(x))"}) {
    const Expression f = Expression::parse(text);
    EXPECT_DOUBLE_EQ(cost_per_element(f, profile, 192), profile(f)) << text;
  }
  EXPECT_DOUBLE_EQ(cost_per_element(Expression::parse("2*x"), profile, 8), 1.75);
  EXPECT_DOUBLE_EQ(cost_per_element(Expression::parse("x*r"), profile, 8), 4.5);
  EXPECT_DOUBLE_EQ(cost_per_element(Expression::parse("x*(2*r)"), profile, 8), 1.5 + 4.25 / 8);
  EXPECT_DOUBLE_EQ(cost_per_element(Expression::parse("r"), profile, 8), 3 / 8.0);
}

TEST(Profile, NamesAPrimitiveWithoutAPrice) {
  Profile profile = flops_profile();
  profile.cost.erase("tanh");
  EXPECT_EQ(profile(Expression::parse("2*x")), 1);
  try {
    profile(Expression::parse("tanh(x)"));
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("tanh"), std::string::npos);
  }
}

TEST(LoadProfile, ReadsAFileAndPricesLeavesAtZeroWhenItSaysNothing) {
  Json json = complete_profile();
  for (const Primitive& p : primitives()) {
    if (p.arity == 0) json["cost"].erase(std::string(p.name));
  }
  const ProfileFile file(json);
  const Profile profile = load_profile(file.path());
  EXPECT_EQ(profile.name, "array");
  EXPECT_EQ(profile.unit, "LUTs");
  EXPECT_EQ(profile(Expression::parse("tanh(3*x)")), 5.0);
}

TEST(LoadProfile, RefusesAnUnknownNameAndSaysWhatExists) {
  try {
    load_profile("no_such_profile");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("expected flops"), std::string::npos);
  }
}

TEST(LoadProfile, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(message_for(complete_profile()), "accepted");

  Json missing = complete_profile();
  missing["cost"].erase("tanh");
  EXPECT_NE(message_for(missing).find("cost.tanh is missing"), std::string::npos);

  Json negative = complete_profile();
  negative["cost"]["*"] = -1;
  EXPECT_NE(message_for(negative).find("cost.* = -1"), std::string::npos);

  Json text = complete_profile();
  text["cost"]["erf"] = "cheap";
  EXPECT_NE(message_for(text).find("cost.erf"), std::string::npos);

  Json unknown = complete_profile();
  unknown["cost"]["tahn"] = 1;
  EXPECT_NE(message_for(unknown).find("cost.tahn"), std::string::npos);

  Json nameless = complete_profile();
  nameless.erase("unit");
  EXPECT_NE(message_for(nameless).find("\"unit\""), std::string::npos);

  EXPECT_NE(message_for(Json::array()).find("expected an object"), std::string::npos);
}

Json profile_of_circuits() {
  Json json = {{"name", "chip"}, {"unit", "cells"}, {"parts", Json::object()}};
  for (size_t i = 0; i < kCircuitPartCount; ++i)
    json["parts"][std::string(part_name(static_cast<CircuitPart>(i)))] = 1.5;
  json["layernorm"] = Json::parse(R"([{"width": 64, "lut": 1000, "ram_bits": 4096, "clocks": 100},
      {"width": 256, "lut": 1200, "ram_bits": 8192, "clocks": 300}])");
  return json;
}

TEST(LayerNormArea, IsStraightInTheLogarithmOfTheWidthAndHeldAtTheEnds) {
  const ProfileFile file(profile_of_circuits());
  const Profile profile = load_profile(file.path());
  const auto at = [&](int64_t channels) { return layernorm_area(profile, channels).value(); };
  EXPECT_EQ(at(64).logic, 1000);
  EXPECT_EQ(at(256).logic, 1200);
  EXPECT_EQ(at(256).ram_bits, 8192);
  EXPECT_DOUBLE_EQ(at(128).logic, 1100) << "halfway between 2^6 and 2^8";
  EXPECT_DOUBLE_EQ(at(128).ram_bits, 6144);
  EXPECT_NEAR(at(128).clocks, 100 + 200.0 / 3, 1e-9) << "a third of the way from 64 to 256";
  EXPECT_EQ(at(1).logic, 1000);
  EXPECT_EQ(at(4096).logic, 1200);
  EXPECT_EQ(at(4096).width, 4096);
}

TEST(LayerNormArea, IsMissingWhereTheProfileHasNoneAndThereForTheBuiltInOne) {
  EXPECT_FALSE(layernorm_area(flops_profile(), 192));
  Json json = profile_of_circuits();
  json.erase("layernorm");
  const ProfileFile file(json);
  EXPECT_FALSE(layernorm_area(load_profile(file.path()), 192));
  const Profile ice40 = load_profile("ice40");
  ASSERT_EQ(ice40.layernorm.size(), 4U);
  EXPECT_EQ(ice40.layernorm.front().width, 64);
  EXPECT_NEAR(layernorm_area(ice40, 192).value().logic, 1173, 60) << "docs/hardware.md";
  EXPECT_EQ(layernorm_area(ice40, 192).value().ram_bits, 8192);
}

TEST(LayerNormArea, IsCheckedFieldByField) {
  EXPECT_EQ(message_for(profile_of_circuits()), "accepted");
  const auto says = [](const char* pointer, const Json& value, const char* text) {
    Json json = profile_of_circuits();
    json[Json::json_pointer(pointer)] = value;
    const std::string said = message_for(json);
    EXPECT_NE(said.find(text), std::string::npos) << said;
  };
  says("/layernorm", 3, "expected an array in \"layernorm\"");
  says("/layernorm/1", 3, "layernorm[1].width is missing");
  says("/layernorm/1/lut", -1, "layernorm[1].lut = -1: expected a finite number of at least 0");
  says("/layernorm/0/clocks", "few", "layernorm[0].clocks = \"few\"");
  says("/layernorm/0/width", 1.5, "layernorm[0].width = 1.5: expected a whole number from 1 to 1e9");
  says("/layernorm/0/width", 0, "layernorm[0].width = 0: expected a whole number");
  says("/layernorm/1/width", 64, "layernorm[1].width = 64: expected rising widths");
  Json json = profile_of_circuits();
  json["layernorm"][0].erase("ram_bits");
  EXPECT_NE(message_for(json).find("layernorm[0].ram_bits is missing"), std::string::npos);
}

TEST(LayerNormFlops, CountsThePassesOverTheTokenAndTheShareOfTheRoot) {
  // D = 2 by hand: sum 1, times 1/2; two differences; two squares, a sum, times 1/2; + eps, sqrt, 1/; two
  // products.
  EXPECT_DOUBLE_EQ(layernorm_flops_per_element(2), (1 + 1 + 2 + 2 + 1 + 1 + 3 + 2) / 2.0);
  EXPECT_NEAR(layernorm_flops_per_element(1'000'000'000), 5.0, 1e-6);
}

}  // namespace
}  // namespace normgraft
