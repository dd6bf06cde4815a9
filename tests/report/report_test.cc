#include "normgraft/report/report.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <regex>

#include "fixture.h"
#include "normgraft/cost/site_cost.h"

namespace normgraft {
namespace {

using testing::AssertionFailure;
using testing::AssertionResult;
using testing::AssertionSuccess;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Python's XML parser as the judge: the page is written so that it is XML as well as HTML.
AssertionResult well_formed(const std::string& page) {
  const Path file =
      std::filesystem::temp_directory_path() / ("normgraft_report_" + std::to_string(getpid()) + ".html");
  write_atomically(file, page);
  const std::string command =
      "/usr/bin/python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' " + file.string();
  const int status = std::system(command.c_str());
  std::filesystem::remove(file);
  return status == 0 ? AssertionSuccess() : AssertionFailure() << "the page does not parse";
}

AssertionResult says(const std::string& page, const std::string& text) {
  return page.find(text) != std::string::npos ? AssertionSuccess()
                                              : AssertionFailure() << "not in the page: " << text;
}

AssertionResult draws_only_finite_numbers(const std::string& page) {
  std::smatch found;
  const std::regex word("[^a-zA-Z](nan|inf)[^a-zA-Z]", std::regex::icase);
  if (!std::regex_search(page, found, word)) return AssertionSuccess();
  return AssertionFailure() << found.str() << " after ..."
                            << page.substr(
                                   static_cast<size_t>(std::max<std::ptrdiff_t>(found.position() - 80, 0)),
                                   80);
}

size_t count(const std::string& page, const std::string& text) {
  size_t n = 0;
  for (size_t at = page.find(text); at != std::string::npos; at = page.find(text, at + 1)) ++n;
  return n;
}

/// The section of the page with that id.
std::string section(const std::string& page, const std::string& id) {
  const size_t begin = page.find("<section id=\"" + id + "\"");
  return begin == std::string::npos ? "" : page.substr(begin, page.find("</section>", begin) - begin);
}

TEST(Report, ShowsFiguresOfPlainPairsBesideWeightedOnesAndOnlyThen) {
  ReportInput input = small_input();
  EXPECT_EQ(count(render_report(input), "of plain pairs"), 0U);
  input.mappings.weighted = true;
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  for (const char* text : {"of plain pairs", "0.91234", "0.87000", "effective pairs", "Fisher"})
    EXPECT_TRUE(says(page, text));
  input.fronts.options.measure = Measure::kCount;
  EXPECT_EQ(count(render_report(input), "of plain pairs"), 0U);
}

TEST(Report, IsWellFormedAndNamesEverySiteFunctionAndStage) {
  const std::string page = render_report(small_input());
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(draws_only_finite_numbers(page));
  for (const char* text : {"vit_small_test", "/models/small", "/pictures", "blocks.0.norm1", ">norm<",
                           "clip(0.8*x, -1, 1)", "tanh(1.01*x)", "0.99*tanh(0.98*x+0.01)+0.02", "scaled-tanh",
                           "teacher", "grafted", "realigned", "The knee.", "12.3 s", "3 min 07 s"}) {
    EXPECT_TRUE(says(page, text));
  }
}

TEST(Report, ShowsFiguresWithTheirIntervals) {
  const std::string page = render_report(small_input());
  EXPECT_TRUE(says(page, "72.13 <small>[69.00, 75.00]</small>"));
  EXPECT_TRUE(says(page, "45.00 <small>[42.00, 48.00]</small>"));
  EXPECT_TRUE(says(page, "1.7321 <small>[1.6000, 1.9000]</small>"));
  EXPECT_EQ(count(page, "class=\"area chosen interval\""), 3u);
}

TEST(Report, DrawsBarsWhereThereAreTooFewStagesForSteps) {
  ReportInput input = small_input();
  input.accuracy.erase(2);
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_EQ(count(page, "class=\"whisker\""), 4u);
  EXPECT_EQ(count(section(page, "accuracy"), "class=\"area bar "), 4u);
  EXPECT_EQ(count(page, " after each stage"), 0u);
}

TEST(Report, ShowsStagesAsStepsWithWhatEachWasWorthAndTook) {
  ReportInput input = small_input();
  input.accuracy[1]["seconds"] = 20.25;
  input.accuracy[2]["seconds"] = 207.25;
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  for (const char* figure : {"Top-1, %", "Agreement with the teacher, %", "KL(teacher ‖ model), nats"}) {
    EXPECT_TRUE(says(page, std::string("aria-label=\"") + figure + " after each stage\""));
  }
  for (const char* text :
       {">65.0</text>", ">45.0</text>", ">80.0</text>", ">1.732</text>", ">0.310</text>"}) {
    EXPECT_EQ(count(page, text), 1u) << text;
  }
  EXPECT_TRUE(says(page, "dashed: the teacher, 72.1"));
  EXPECT_EQ(count(page, ">20.2 s</text>"), 3u);
  EXPECT_EQ(count(page, ">3.1 min</text>"), 3u);
  EXPECT_TRUE(says(page, "<td class=\"n\">3 min 27 s</td>"));
  EXPECT_EQ(count(section(page, "accuracy"), "class=\"area bar "), 0u);
}

TEST(Report, SaysWhatAStepTookOnlyWhereBothOfItsEndsAreKnown) {
  ReportInput input = small_input();
  input.accuracy[2]["seconds"] = 207.25;
  EXPECT_EQ(count(render_report(input), ">3.5 min</text>"), 0u);
  input.accuracy[1]["seconds"] = 300;
  EXPECT_EQ(count(render_report(input), ">5.0 min</text>"), 3u);
  EXPECT_EQ(count(render_report(input), " s</text>"), 0u);
}

TEST(Report, SlantsTheNamesOfStagesThatDoNotFitSideBySide) {
  ReportInput input = small_input();
  input.accuracy[1]["seconds"] = 3;
  EXPECT_EQ(count(render_report(input), ">grafted</text>"), 3u);
  input.accuracy[2]["stage"] = "realigned on pictures of another kind, twice over";
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_EQ(count(page, ">grafted, 3.0 s</text>"), 3u);
}

TEST(Report, ShowsWhatIsLeftUnderHalvedContrastAndBlur) {
  ReportInput input = small_input();
  EXPECT_EQ(count(render_report(input), "halved contrast"), 0u);
  input.accuracy[0]["under"] = Json::parse(R"({"contrast": {"top1": 0.6}})");
  input.accuracy[2]["under"] = Json::parse(R"({"contrast": {"top1": 0.55, "agreement": 0.625, "kl": 0.5},
                                               "blur": {"top1": 0.51, "kl": 0.75}})");
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(
      says(page, "<td class=\"stage\">teacher</td><td class=\"n\">72.1</td><td class=\"n\">60.0</td>"));
  EXPECT_TRUE(says(page,
                   "<td class=\"stage\">realigned</td><td class=\"n\">65.0</td><td class=\"n\">55.0</td>"
                   "<td class=\"n\">51.0</td><td class=\"n\">80.0</td><td class=\"n\">62.5</td>"
                   "<td class=\"n\">0.310</td><td class=\"n\">0.500</td><td class=\"n\">0.750</td>"));
}

TEST(Report, ShowsLayerNormAndGraftInOtherArithmetics) {
  ReportInput input = small_input();
  EXPECT_EQ(count(render_report(input), "float32"), 0u);
  input.accuracy[0]["arithmetic"] = Json::parse(R"({"bfloat16": {"top1": 0.71}, "w<8": {"top1": 0.7}})");
  input.accuracy[2]["arithmetic"] = Json::parse(R"({"bfloat16": {"top1": 0.64, "kl": 0.4}, "w<8": 3})");
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(
      says(page, "<th class=\"n\">float32</th><th class=\"n\">bfloat16</th><th class=\"n\">w&lt;8</th>"));
  EXPECT_TRUE(says(page,
                   "<td class=\"stage\">teacher</td><td class=\"n\">72.1</td><td class=\"n\">71.0</td>"
                   "<td class=\"n\">70.0</td>"));
  EXPECT_TRUE(says(page,
                   "<td class=\"stage\">realigned</td><td class=\"n\">65.0</td><td class=\"n\">64.0</td>"
                   "<td class=\"n\"></td><td class=\"n\">0.310</td><td class=\"n\">0.400</td>"));
}

TEST(Report, ShowsLossAgainstCostWithThePlansThatStandOut) {
  ReportInput input = small_input();
  EXPECT_EQ(count(render_report(input), "id=\"choice\""), 0u);
  input.choice = small_choice();
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(draws_only_finite_numbers(page));
  for (const char* text :
       {"rank correlation of <b>0.943</b>, measured on 256 pictures", "budget is <b>1.5 million FLOPs</b>",
        "cost of a picture, million FLOPs", "strong\"", ">budget</text>", ">knee</text>",
        ">most accurate</text>", "1.2 million FLOPs: KL 0.2100 measured, 0.2000 predicted"}) {
    EXPECT_TRUE(says(page, text));
  }
  EXPECT_TRUE(says(page,
                   "<tr class=\"pick\"><td>chosen</td><td class=\"n\">1.2</td><td class=\"n\">0.2000</td>"
                   "<td class=\"n\">0.2100</td></tr>"));
  EXPECT_LT(page.find("id=\"accuracy\""), page.find("id=\"choice\""));
  EXPECT_LT(page.find("id=\"choice\""), page.find("id=\"sites\""));
  input.choice["budget"] = nullptr;
  EXPECT_EQ(count(render_report(input), ">budget</text>"), 0u);
}

TEST(Report, ShowsLossAgainstAreaWhereAPlanWasChosenByCircuits) {
  ReportInput input = small_input();
  input.choice = small_choice();
  input.choice.update({{"cost_of", "unit"}, {"unit", "LUT4"}, {"budget", 9000}});
  for (Json& point : input.choice["curve"]) point["cost"] = point["cost"].get<double>() / 200;
  const std::string page = render_report(input);
  EXPECT_TRUE(says(page, "area of all sites, LUT4"));
  EXPECT_TRUE(says(page, "The budget is <b>9\u202f000 LUT4</b> for all sites."));
  EXPECT_EQ(count(page, "cost of a picture"), 0U);
}

TEST(Report, NamesTheSitesThatLoseMostAndWhatKeepingLayerNormWouldBuy) {
  ReportInput input = small_input();
  input.choice = small_choice();
  const std::string page = render_report(input);
  const size_t last = page.find("<td class=\"site\">blocks.9.norm1</td>");
  EXPECT_NE(last, std::string::npos);
  EXPECT_LT(last, page.find("<td class=\"site\">blocks.2.norm1</td>"));
  EXPECT_EQ(count(page, "<td class=\"site\">blocks.1.norm1</td>"), 0u);  // the ninth
  EXPECT_TRUE(says(page,
                   "blocks.9.norm1</td><td class=\"n\">20\u202f000</td><td class=\"n\">0.0800</td><td "
                   "class=\"n\">0.0900</td>"));
  EXPECT_TRUE(says(page, "none: the chosen plan</td><td class=\"n\">0.2100</td>"));
  EXPECT_TRUE(says(page, "and blocks.8.norm1</td><td class=\"n\">0.0925</td>"));
  input.choice.erase("keep");
  EXPECT_EQ(count(render_report(input), "keeping LayerNorm"), 0u);
}

TEST(Report, ComparesTheChosenFunctionWithTheBestClosedFormHeldOut) {
  // Held out: ceiling 0.95, best closed form 0.929, chosen 0.919: the gap of 0.021 grows by 0.010.
  const std::string page = render_report(small_input());
  EXPECT_TRUE(says(page, "<b>0 of 2</b> chosen functions"));
  EXPECT_TRUE(says(page, "median <b>−47.6 %</b>, worst <b>−47.6 %</b>"));

  ReportInput better = small_input();
  better.plan->entries[0].held_out_r2 = 0.9395;
  EXPECT_TRUE(says(render_report(better), "<b>1 of 2</b> chosen functions"));
  EXPECT_TRUE(says(render_report(better), "median <b>1.2 %</b>, worst <b>−47.6 %</b>"));
}

TEST(Report, CountsTheBetterFunctionsThatCostNoMoreThanTheBestClosedForm) {
  ReportInput input = small_input();
  input.plan->entries[0].held_out_r2 = 0.9395;
  EXPECT_TRUE(says(render_report(input), "<b>1</b> of them at no higher cost"));
  input.plan->entries[0].cost = 27.5;  // the best closed form costs 27
  EXPECT_TRUE(says(render_report(input), "<b>0</b> of them at no higher cost"));
}

TEST(Report, NamesTheMedianAndTheWorstShareOfTheGapClosed) {
  ReportInput input = small_input();
  input.mappings.sites.push_back(small_mapping("third"));
  input.fronts.sites.push_back(small_front("third"));
  input.plan->entries.push_back(input.plan->entries[0]);
  input.plan->entries[2].site = "third";
  // Ceiling 0.95, best closed form 0.929.
  const double held_out[] = {0.95, 0.929, 0.9395};
  for (size_t i = 0; i < 3; ++i) input.plan->entries[i].held_out_r2 = held_out[i];
  EXPECT_TRUE(says(render_report(input), "median <b>50.0 %</b>, worst <b>0.0 %</b>"));
}

TEST(Report, ListsCostFittedAndHeldOutFiguresOfEveryFunction) {
  EXPECT_TRUE(says(render_report(small_input()),
                   "<td>scaled-tanh</td><td class=\"n\">27</td><td class=\"n\">0.93000</td>"
                   "<td class=\"n\">0.92900</td>"));
}

TEST(Report, LeavesOutAnIntervalThatEndsBeforeItBegins) {
  ReportInput input = small_input();
  input.accuracy[1]["kl_interval"] = {1.9, 1.6};
  EXPECT_EQ(count(render_report(input), "1.7321 <small>"), 0u);
  EXPECT_TRUE(says(render_report(input), "1.7321"));
}

TEST(Report, DrawsTheLossOfPicturesKeptApartBesideThatOfTraining) {
  const std::string page = render_report(small_input());
  for (const char* text : {"epoch 1: 1.5<", "epoch 1: 1.2<", "epoch 2: 1.1<", "epoch 2: 1<"}) {
    EXPECT_EQ(count(page, text), 1u) << text;
  }
}

TEST(Report, SumsTheTimesOfTheStages) {
  EXPECT_TRUE(says(render_report(small_input()), "<dt>together</dt><dd>3 min 19 s</dd>"));
}

TEST(Report, LoadsNothingAndRunsNothing) {
  const std::string page = render_report(small_input());
  for (const char* text : {"http", "<script", "<link", "<img", "url(", "@import", "javascript:"}) {
    EXPECT_EQ(count(page, text), 0u) << text;
  }
}

TEST(Report, HasTheSameBytesForTheSameInput) {
  EXPECT_EQ(render_report(small_input()), render_report(small_input()));
}

TEST(Report, EscapesOddNames) {
  ReportInput input = small_input();
  const std::string odd = "<b>\"x\" & 'y'\x01</b>";
  input.mappings.model = odd;
  input.mappings.sites[0].name = input.fronts.sites[0].site = input.plan->entries[0].site = odd;
  input.plan->entries[0].reason = odd;
  input.fronts.sites[0].baselines[0].name = odd;
  input.fronts.unit = odd;
  input.run["capture"]["model"] = odd;
  input.run["seconds"][odd] = 3;
  input.accuracy[0]["stage"] = odd;
  input.accuracy[0]["data"] = odd;
  input.accuracy[1]["stage"] = odd;
  input.choice = small_choice();
  input.choice["unit"] = input.choice["sites"][0]["name"] = input.choice["keep"][0]["site"] = odd;
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_EQ(count(page, odd.substr(0, 4)), count(render_report(small_input()), odd.substr(0, 4)));
  EXPECT_TRUE(says(page, "&lt;b&gt;&quot;x&quot; &amp; &#39;y&#39; &lt;/b&gt;"));
}

TEST(Report, ShowsMappingsAloneWhenNothingElseIsThere) {
  ReportInput input;
  input.mappings.sites.push_back(small_mapping("blocks.0.norm1"));
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(draws_only_finite_numbers(page));
  EXPECT_TRUE(says(page, "Mapping of blocks.0.norm1"));
  for (const char* text : {"Won and lost", "Re-alignment", "Front of", "chosen functions are"}) {
    EXPECT_EQ(count(page, text), 0u) << text;
  }
}

TEST(Report, IsAPageEvenWithoutSites) {
  EXPECT_TRUE(well_formed(render_report({})));
}

TEST(Report, LeavesOutKeysOfTheWrongKind) {
  ReportInput input = small_input();
  input.run = Json::parse(R"({"capture": 3, "seconds": {"capture": "long", "evolve": null, "select": -1}})");
  input.accuracy =
      Json::parse(R"([7, {"top1": 0.5}, {"stage": "teacher", "top1": null, "top5": "high", "kl": [],
                                   "top1_interval": [1], "agreement": 0.5, "agreement_interval": ["a", 2]}])");
  input.epochs = {Json(3), Json{{"epoch", "one"}, {"loss", 1}}, Json{{"epoch", 1}, {"loss", nullptr}}};
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(draws_only_finite_numbers(page));
  EXPECT_EQ(count(section(page, "accuracy"), "class=\"area bar "), 1u);
  EXPECT_EQ(count(page, "Re-alignment"), 0u);
  input.accuracy = Json::parse(R"({"stage": "teacher"})");
  EXPECT_TRUE(well_formed(render_report(input)));
}

TEST(Report, LeavesOutSecondsConditionsAndChoicesOfTheWrongKind) {
  ReportInput input = small_input();
  input.accuracy[1].update(
      Json::parse(R"({"seconds": "long", "under": {"contrast": 3, "blur": {"top1": []}}})"));
  input.accuracy[2].update(Json::parse(R"({"seconds": -1e300, "under": ["blur"], "agreement": 1e300})"));
  input.choice =
      Json::parse(R"({"unit": 3, "budget": -1, "plan": 7, "knee": {"cost": "low"}, "min_error": null,
      "rank_correlation": "high", "sites": [1, {"name": "norm"}, {"name": 3, "points": [{"measured": 1}]},
      {"name": "odd", "points": [2, {"measured": null}]}], "keep": [4, {"site": "norm"}, {"measured": 1}],
      "curve": [null, {"cost": 0, "measured": 1}, {"cost": 1e-300, "predicted": 1e300}, {"cost": 1e300, "measured": -1}]})");
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(draws_only_finite_numbers(page));
  EXPECT_EQ(count(page, "halved contrast"), 0u);
  EXPECT_EQ(count(page, "rank correlation"), 0u);
  EXPECT_EQ(count(page, "most sensitive sites"), 0u);
  for (const char* malformed :
       {"null", "3", "[]", "{}", R"({"curve": 1})", R"({"curve": [{"cost": 1}, "x"]})"}) {
    input.choice = Json::parse(malformed);
    EXPECT_EQ(count(render_report(input), "id=\"choice\""), 0u) << malformed;
  }
}

TEST(Report, DrawsNoFigureThatIsNotFinite) {
  ReportInput input = small_input();
  SiteFront& front = input.fronts.sites[0];
  front.front[0].held_out_r2 = kNan;
  front.front[1].cost = kInfinity;
  front.baselines[1].point.held_out_r2 = -kInfinity;
  front.baselines[2].point.expression = Expression::parse("sqrt(x)/x");
  input.plan->entries[0].expression = Expression::parse("1/x");
  input.plan->entries[0].held_out_r2 = kNan;
  input.plan->entries[1].cost = kNan;
  input.fronts.sites[1].held_out_ceiling = kNan;
  input.run["seconds"]["capture"] = kInfinity;
  input.accuracy[0]["top1"] = kNan;
  input.accuracy[1]["kl_interval"] = Json::array({kNan, kInfinity});
  input.epochs[0]["loss"] = kInfinity;
  for (auto& measure : input.mappings.sites[0].bins) measure[0][32].syy = -1e-9;
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(draws_only_finite_numbers(page));
}

/// What a norm of 1000 tokens of 200 channels costs there, as LayerNorm and as x g(r).
AcceleratorCost small_accelerator_cost(int64_t buffer_bits) {
  Accelerator on = load_accelerator("small-fpga");
  on.name = "<board>";
  on.buffer_bits = buffer_bits;
  const NormWork norm{.name = "norm", .tokens = 1000, .channels = 200};
  NormWork function = norm;
  function.f = Expression::parse("x*exp(r)");
  return compare_on(on, {{norm}, {}}, {{function}, {}});
}

/// The widths of the bars of the drawing with that title.
std::vector<double> bar_widths(const std::string& page, const std::string& label) {
  const size_t begin = page.find("aria-label=\"" + label + ":");
  std::vector<double> widths;
  if (begin == std::string::npos) return widths;
  const std::string svg = page.substr(begin, page.find("</svg>", begin) - begin);
  const std::regex bar("<rect class=\"area bar [a-z]+\"[^>]* width=\"([^\"]*)\"");
  for (std::sregex_iterator it(svg.begin(), svg.end(), bar), end; it != end; ++it)
    widths.push_back(std::stod((*it)[1]));
  return widths;
}

TEST(Report, DrawsWhatNormsCostOnAnAcceleratorAsBars) {
  ReportInput input = small_input();
  EXPECT_EQ(count(render_report(input), "On an accelerator"), 0U);
  input.on_accelerator = small_accelerator_cost(1 << 20);
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(draws_only_finite_numbers(page));
  // 8, 6 and 6 bytes an element.
  const std::vector<double> traffic = bar_widths(page, "Off-chip traffic, MB");
  ASSERT_EQ(traffic.size(), 3U);
  EXPECT_NEAR(traffic[1] / traffic[0], 6.0 / 8, 0.01);
  EXPECT_EQ(traffic[2], traffic[1]);
  const std::vector<double> clocks = bar_widths(page, "Clocks to the first output, all sites");
  ASSERT_EQ(clocks.size(), 3U);
  EXPECT_NEAR(clocks[1] / clocks[0], 200.0 / 200200, 0.001);
  EXPECT_TRUE(
      says(page, "aria-label=\"Off-chip traffic, MB: LayerNorm, unfused 1.6; LayerNorm, fused 1.2; graft, "));
  for (const char* text : {"&lt;board&gt;", "the graft's traffic is the same as LayerNorm's: a token fits",
                           ">1.6</text>", ">1.2</text>", ">3232</text>", ">200</text>",
                           ">200\u202f200</text>", "The graft's wait is 0.5 % of LayerNorm's"}) {
    EXPECT_TRUE(says(page, text));
  }
}

TEST(Report, SaysOfAnAcceleratorWhoseBufferIsTooSmallThatTokensAreReadTwice) {
  ReportInput input = small_input();
  input.on_accelerator = small_accelerator_cost(100);
  EXPECT_TRUE(says(render_report(input),
                   "the graft's traffic is 75.0 % of LayerNorm's, which reads each token twice"));
}

TEST(Report, DrawsNoAcceleratorWhereNoSiteIsReplaced) {
  ReportInput input = small_input();
  input.on_accelerator = small_accelerator_cost(1 << 20);
  input.on_accelerator->replaced = {false};
  EXPECT_EQ(count(render_report(input), "On an accelerator"), 0U);
}

/// The expected LUT4 of the chosen function of a site.
double area_of(const ReportInput& input, size_t site) {
  return SiteCost(load_profile("ice40"), input.mappings.sites[site])(input.plan->entries[site].expression);
}

/// The LUT4 of a LayerNorm unit for the few channels of the fixture.
double narrowest_layernorm() {
  return load_profile("ice40").layernorm.front().logic;
}

TEST(Report, DrawsTheAreaOfAllNormSitesAndOfEachBesideLayerNorm) {
  ReportInput input = small_input();
  input.plan->entries[1].expression = Expression::parse("min(0.71*x, 0.9*abs(x))");
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(draws_only_finite_numbers(page));
  const double first = area_of(input, 0), second = area_of(input, 1), layernorm = narrowest_layernorm();
  ASSERT_GT(std::abs(first - second), 20);
  const auto share = [&](const char* title, double expected) {
    const std::vector<double> bars = bar_widths(page, title);
    ASSERT_EQ(bars.size(), 2U) << title;
    EXPECT_NEAR(bars[1] / bars[0], expected, 0.002) << title;
  };
  share("Area of all norm sites, LUT4", (first + second) / (2 * layernorm));
  share("Area of the unit of blocks.0.norm1, LUT4", first / layernorm);
  share("Area of the unit of norm, LUT4", second / layernorm);
  const std::string all = fmt::format("{:.1f}", 100 * (first + second) / (2 * layernorm));
  EXPECT_TRUE(says(page, "The graft's units take " + all +
                             " % of what LayerNorm units take. Block RAM comes on "
                             "top: LayerNorm units hold tokens in 8\u202f192 bits, the graft's in 0."));
  EXPECT_TRUE(says(page, fmt::format("Expected: {:.1f} % of a LayerNorm unit.", 100 * first / layernorm)));
  EXPECT_EQ(count(page, "reads g from a table"), 0U);
  EXPECT_LT(page.find("id=\"area\""), page.find("id=\"sites\""));
}

TEST(Report, CountsTheSitesWhoseFunctionIsNoCircuitInNeitherBar) {
  ReportInput input = small_input();
  input.plan->entries[1].expression = Expression::parse("log2(x)");
  ASSERT_TRUE(std::isinf(area_of(input, 1)));
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(says(page, "The functions at 1 site cannot be made circuits, and count in neither bar."));
  EXPECT_TRUE(says(page, "This function cannot be made a circuit. A LayerNorm unit takes "));
  const std::vector<double> bars = bar_widths(page, "Area of all norm sites, LUT4");
  ASSERT_EQ(bars.size(), 2U);
  EXPECT_NEAR(bars[1] / bars[0], area_of(input, 0) / narrowest_layernorm(), 0.002);
  EXPECT_TRUE(bar_widths(page, "Area of the unit of norm, LUT4").empty());

  input.plan->entries[0].expression = Expression::parse("log2(x)");
  const std::string none = render_report(input);
  EXPECT_TRUE(says(none, "The functions at 2 sites cannot be made circuits."));
  EXPECT_TRUE(bar_widths(none, "Area of all norm sites, LUT4").empty());
}

TEST(Report, CountsLayerNormsThatStayInTheAreaOfBothBars) {
  ReportInput input = small_input();
  input.plan->entries.pop_back();
  const std::string page = render_report(input);
  EXPECT_TRUE(says(page, "LayerNorm stays at 1 site, and counts so in both bars."));
  const double layernorm = narrowest_layernorm();
  const std::vector<double> bars = bar_widths(page, "Area of all norm sites, LUT4");
  ASSERT_EQ(bars.size(), 2U);
  EXPECT_NEAR(bars[1] / bars[0], (area_of(input, 0) + layernorm) / (2 * layernorm), 0.002);
  EXPECT_TRUE(says(page, "hold tokens in 8\u202f192 bits, the graft's in 4\u202f096."));
  input.plan->entries.clear();
  EXPECT_EQ(count(render_report(input), "id=\"area\""), 0U);
}

TEST(Report, SaysOfAFactorOfRThatATableOfItIsAnotherUnit) {
  ReportInput input = small_input();
  input.mappings.sites[0].carried = {.channel = true, .low = -0.5, .high = 1};
  input.plan->entries[0].expression = Expression::parse("x*exp2(-1.4*r)");
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(says(
      page,
      "At 1 site the function is x g(r): <code>export</code> of a network of integers reads g from a table"));
  EXPECT_EQ(count(page, "reads g from a table"), 2U) << "of all sites, and of this one";
  input.plan->entries[0].expression = Expression::parse("0.75*x");
  EXPECT_EQ(count(render_report(input), "reads g from a table"), 0U);
}

TEST(Report, MarksTheMostAccurateFunctionWhereThereIsNoPlan) {
  ReportInput input = small_input();
  input.plan.reset();
  const std::string page = render_report(input);
  EXPECT_TRUE(says(page, "<code class=\"expression\">tanh(1.01*x)</code>"));
  EXPECT_TRUE(says(page, "no plan has been made"));
}

TEST(Report, ShowsASiteThatThePlanLeavesOut) {
  ReportInput input = small_input();
  input.plan->entries.pop_back();
  const std::string page = render_report(input);
  EXPECT_TRUE(well_formed(page));
  EXPECT_TRUE(says(page, "<b>1 of 2</b><span>sites replaced"));
  EXPECT_EQ(count(page, "class=\"expression\""), 1u);
}

}  // namespace
}  // namespace normgraft
