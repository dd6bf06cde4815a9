#include <gtest/gtest.h>

#include <cmath>

#include "normgraft/evolve/evolve.h"

namespace normgraft {
namespace {

Fronts example() {
  const FrontPoint line{.expression = Expression::parse("0.1*x"),
                        .cost = 1,
                        .error = 1.0 / 3,
                        .r2 = 2.0 / 3,
                        .held_out_r2 = 0.65,
                        .seed = 1,
                        .choose_error = 0.375,
                        .choose_r2 = 0.625};
  const FrontPoint clip{.expression = Expression::parse("clip(0.7*x + 0.2, -1, 2)"),
                        .cost = 3,
                        .error = 0.1,
                        .r2 = 0.9,
                        .held_out_r2 = std::nan(""),
                        .seed = 0,
                        .choose_error = 0.125,
                        .choose_r2 = std::nan("")};
  SiteFront site{.site = "norm", .seen = {-3.25, 4.5}, .ceiling = 0.93, .held_out_ceiling = 0.92};
  site.front = {line, clip};
  site.seeds = {{clip}, {line}};
  site.baselines = {{"line", line}};
  site.evaluations = 123456789012;
  Fronts fronts{.options = {.population = 64, .seeds = 2, .seed = ~uint64_t{0}, .measure = Measure::kCount},
                .unit = "FLOPs",
                .sites = {site}};
  fronts.options.sites = {"norm"};
  return fronts;
}

std::string message(const Json& json) {
  try {
    fronts_from_json(json, "fronts.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

/// The message for the example with `value` in place of what the JSON pointer names.
std::string message_with(const char* pointer, const Json& value) {
  Json json = to_json(example());
  json[Json::json_pointer(pointer)] = value;
  return message(json);
}

TEST(FrontsJson, GivesBackEveryFigure) {
  const Fronts fronts = example();
  const std::string text = to_json(fronts).dump();
  const Fronts again = fronts_from_json(Json::parse(text), "fronts.json");
  EXPECT_EQ(to_json(again).dump(), text);
  ASSERT_EQ(again.sites.size(), 1);
  const SiteFront& site = again.sites[0];
  EXPECT_EQ(site.front[1].expression, fronts.sites[0].front[1].expression);
  EXPECT_EQ(site.front[0].error, 1.0 / 3);
  EXPECT_EQ(site.front[0].choose_error, 0.375);
  EXPECT_EQ(site.front[0].choose_r2, 0.625);
  EXPECT_TRUE(std::isnan(site.front[1].held_out_r2));
  EXPECT_EQ(site.evaluations, 123456789012);
  EXPECT_EQ(site.seen.high, 4.5);
  EXPECT_EQ(site.baselines[0].name, "line");
  EXPECT_EQ(site.seeds[1][0].seed, 1);
  EXPECT_EQ(again.options.seed, ~uint64_t{0});
  EXPECT_EQ(again.options.measure, Measure::kCount);
  EXPECT_EQ(again.options.population, 64);
}

TEST(FrontsJson, DoesNotSayWhatMayDifferBetweenEqualSearches) {
  Fronts slow = example();
  slow.seconds = 1000;
  slow.options.threads = 7;
  EXPECT_EQ(to_json(slow).dump(), to_json(example()).dump());
}

TEST(FrontsJson, NamesTheFileAndTheFieldThatIsWrong) {
  EXPECT_EQ(message(to_json(example())), "accepted");
  EXPECT_EQ(message(Json::array()), "fronts.json: expected an object");
  EXPECT_EQ(message_with("/sites", 3), "fronts.json: sites: expected a list");
  EXPECT_EQ(message_with("/sites/0/front", Json::array()),
            "fronts.json: sites[0].front: expected at least one point");
  EXPECT_EQ(message_with("/sites/0/front/1/cost", "2"),
            "fronts.json: sites[0].front[1].cost: expected a finite number");
  EXPECT_EQ(message_with("/sites/0/front/1/cost", -2),
            "fronts.json: sites[0].front[1].cost: expected a number of at least 0");
  EXPECT_EQ(message_with("/sites/0/front/1/cost", 1),
            "fronts.json: sites[0].front[1]: expected a higher cost and a lower error than the point before");
  EXPECT_EQ(message_with("/sites/0/front/0/seed", 2),
            "fronts.json: sites[0].front[0].seed: expected an integer from 0 to 1");
  EXPECT_EQ(message_with("/sites/0/seen", {3, 1}), "fronts.json: sites[0].seen: expected [low, high]");
  EXPECT_TRUE(message_with("/sites/0/front/0/expression", "tan(x)")
                  .starts_with("fronts.json: sites[0].front[0].expression: "));
  EXPECT_EQ(message_with("/options/measure", "mass"),
            "fronts.json: options.measure: expected count or weight");
  EXPECT_EQ(message_with("/options/population", 1),
            "fronts.json: options.population: expected an integer from 8 to 100000");
  EXPECT_EQ(message_with("/options/seeds", 1.5),
            "fronts.json: options.seeds: expected an integer from 1 to 1000");
  EXPECT_EQ(message_with("/version", 4),
            "fronts.json: version 4 is newer than version 3, the newest this program reads");
}

TEST(FrontsJson, OfVersion2TakesTheFiguresToChooseByFromThePicturesFittedOn) {
  Json json = to_json(example());
  json["version"] = 2;
  for (Json* points : {&json["sites"][0]["front"], &json["sites"][0]["baselines"],
                       &json["sites"][0]["seeds"][0], &json["sites"][0]["seeds"][1]}) {
    for (Json& point : *points) {
      point.erase("choose_error");
      point.erase("choose_r2");
    }
  }
  json["sites"][0].erase("beats_closed_forms");
  const Fronts fronts = fronts_from_json(json, "fronts.json");
  EXPECT_EQ(fronts.sites[0].front[1].choose_error, 0.1);
  EXPECT_EQ(fronts.sites[0].front[1].choose_r2, 0.9);
  EXPECT_EQ(fronts.sites[0].baselines[0].point.choose_error, 1.0 / 3);
  json["version"] = 3;
  EXPECT_EQ(message(json), "fronts.json: sites[0].front[0].choose_error is missing");
}

TEST(FrontsJson, WithoutSignedDigitsHasConstantsOfAnyNumberOfThem) {
  Fronts fronts = example();
  fronts.options.signed_digits = 2;
  Json json = to_json(fronts);
  EXPECT_EQ(fronts_from_json(json, "fronts.json").options.grid().signed_digits, 2);
  json["options"].erase("signed_digits");
  EXPECT_TRUE(fronts_from_json(json, "fronts.json").options.grid().allows_all());
}

TEST(FrontsJson, NamesEveryFieldThatIsMissing) {
  const Json good = to_json(example());
  for (const auto& [key, value] : good["sites"][0].items()) {
    Json json = good;
    if (key == "beats_closed_forms") continue;  // follows from the others
    json["sites"][0].erase(key);
    EXPECT_EQ(message(json), "fronts.json: sites[0]." + key + " is missing");
  }
  for (const auto& [key, value] : good["options"].items()) {
    Json json = good;
    if (key == "signed_digits") continue;  // none where it is missing
    json["options"].erase(key);
    EXPECT_EQ(message(json), "fronts.json: options." + key + " is missing");
  }
}

}  // namespace
}  // namespace normgraft
