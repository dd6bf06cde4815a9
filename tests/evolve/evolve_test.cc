#include "normgraft/evolve/evolve.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>

#include "normgraft/evolve/plan.h"
#include "support/temporary_folder.h"
#include "synthetic.h"

namespace normgraft {
namespace {

EvolveOptions small_search() {
  EvolveOptions options;
  options.population = 100;
  options.generations = 12;
  options.seeds = 2;
  options.search_bins = 64;
  return options;
}

const Mappings& layernorms() {
  static const Mappings mappings{
      .model = "synthetic", .weighted = false, .sites = {layernorm_site("a", 1), layernorm_site("b", 2)}};
  return mappings;
}

/// No y of LayerNorm exceeds sqrt(D - 1); the next whole number.
float largest_y(int64_t channels) {
  return std::ceil(std::sqrt(static_cast<float>(channels - 1)));
}
const float kLargestY = largest_y(kChannels);

double best_r2(const std::vector<FrontPoint>& front) {
  return front.back().r2;
}

void expect_front(const std::vector<FrontPoint>& front, const EvolveOptions& options, Interval seen,
                  int64_t channels = kChannels) {
  ASSERT_FALSE(front.empty());
  for (size_t i = 0; i < front.size(); ++i) {
    const FrontPoint& point = front[i];
    const float most = largest_y(channels);
    const bool held = point.expression.program().back() == Instruction{Op::kClip, {-most, most}};
    EXPECT_LE(point.expression.size(), static_cast<size_t>(options.max_nodes) + (held ? 1 : 0));
    EXPECT_EQ(why_not_admissible(point.expression, {seen}), "");
    EXPECT_EQ(point.cost, flops_profile(kSearchClipCost)(point.expression));
    if (i > 0) {
      EXPECT_GT(point.cost, front[i - 1].cost);
      EXPECT_LT(point.error, front[i - 1].error);
    }
  }
}

TEST(Evolve, GivesTheSameBytesOnAnyNumberOfThreads) {
  std::set<std::string> texts;
  for (const int threads : {1, 2, 3}) {
    EvolveOptions options = small_search();
    options.threads = threads;
    texts.insert(to_json(evolve(layernorms(), options, silent_monitor())).dump());
  }
  EXPECT_EQ(texts.size(), 1);
}

TEST(Evolve, GivesOtherFrontsForAnotherSeed) {
  EvolveOptions options = small_search();
  const std::string first = to_json(evolve(layernorms(), options, silent_monitor()))["sites"].dump();
  options.seed = 2;
  EXPECT_NE(to_json(evolve(layernorms(), options, silent_monitor()))["sites"].dump(), first);
}

TEST(Evolve, GivesASiteTheSameFrontWhateverOtherSitesAreSearched) {
  EvolveOptions options = small_search();
  const Fronts all = evolve(layernorms(), options, silent_monitor());
  options.sites = {"b"};
  const Fronts one = evolve(layernorms(), options, silent_monitor());
  ASSERT_EQ(one.sites.size(), 1);
  EXPECT_EQ(to_json(one)["sites"][0].dump(), to_json(all)["sites"][1].dump());
}

TEST(Evolve, LeavesAdmissibleParetoFrontsWithinTheBounds) {
  for (const char* set : {"hardware", "paper"}) {
    EvolveOptions options = small_search();
    options.function_set = set;
    const Fronts fronts = evolve(layernorms(), options, silent_monitor());
    ASSERT_EQ(fronts.sites.size(), 2);
    for (const SiteFront& site : fronts.sites) {
      expect_front(site.front, options, site.seen);
      ASSERT_EQ(site.seeds.size(), 2);
      for (const auto& front : site.seeds) expect_front(front, options, site.seen);
      EXPECT_GT(site.evaluations, 1000);
      EXPECT_FALSE(site.baselines.empty());
    }
  }
}

TEST(Evolve, JoinsTheFrontsOfItsSeeds) {
  const Fronts fronts = evolve(layernorms(), small_search(), silent_monitor());
  for (const SiteFront& site : fronts.sites) {
    for (size_t seed = 0; seed < site.seeds.size(); ++seed) {
      for (const FrontPoint& point : site.seeds[seed]) {
        EXPECT_EQ(point.seed, static_cast<int>(seed));
        EXPECT_TRUE(std::any_of(site.front.begin(), site.front.end(), [&](const FrontPoint& joined) {
          return joined.cost <= point.cost && joined.error <= point.error;
        }));
      }
    }
  }
}

TEST(Evolve, KeepsThePublishedBoundsOfEveryClipInThePaperSet) {
  EvolveOptions options = small_search();
  options.function_set = "paper";
  options.tail_penalty = 0.005;
  int clips = 0;
  for (const SiteFront& site : evolve(layernorms(), options, silent_monitor()).sites) {
    for (const auto& front : site.seeds) {
      for (const FrontPoint& point : front) {
        for (const Instruction& step : point.expression.program()) {
          if (step.op != Op::kClip) continue;
          ++clips;
          EXPECT_EQ(step.c[0], -5.0F);
          EXPECT_EQ(step.c[1], 5.0F);
        }
      }
    }
  }
  EXPECT_GT(clips, 0);
}

TEST(Evolve, FindsAnAsymmetricClip) {
  const Mappings mappings{
      .model = "synthetic",
      .weighted = false,
      .sites = {site_of_function("s", [](double x) { return std::clamp(0.7 * x + 0.2, -1.0, 2.0); })}};
  const Fronts fronts = evolve(mappings, small_search(), silent_monitor());
  EXPECT_GT(best_r2(fronts.sites[0].front), 0.9999);
  EXPECT_GT(fronts.sites[0].front.back().held_out_r2, 0.9999);
}

TEST(Evolve, FindsAScaledTanh) {
  const Mappings mappings{
      .model = "synthetic",
      .weighted = false,
      .sites = {site_of_function("s", [](double x) { return 1.3 * std::tanh(0.8 * x); })}};
  EXPECT_GT(best_r2(evolve(mappings, small_search(), silent_monitor()).sites[0].front), 0.9999);
}

TEST(Evolve, IsAtLeastAsAccurateAsEveryClosedFormOfItsSizeOnLayerNorms) {
  EvolveOptions options = small_search();
  options.population = 200;
  options.generations = 25;
  for (const SiteFront& site : evolve(layernorms(), options, silent_monitor()).sites) {
    for (const BaselinePoint& baseline : site.baselines) {
      // Lines of more knots are larger than what is searched.
      if (baseline.point.expression.size() > static_cast<size_t>(options.max_nodes)) continue;
      EXPECT_GE(best_r2(site.front), baseline.point.r2 - 1e-6) << site.site << " " << baseline.name;
    }
    EXPECT_LE(best_r2(site.front), site.ceiling + 1e-3);
  }
}

TEST(Evolve, SearchesWithoutFittingConstantsToo) {
  EvolveOptions options = small_search();
  options.constant_iterations = 0;
  for (const SiteFront& site : evolve(layernorms(), options, silent_monitor()).sites) {
    expect_front(site.front, options, site.seen);
    EXPECT_GT(best_r2(site.front), 0.3);
  }
}

TEST(Evolve, HoldsFunctionsWithinTheRangeOfLayerNormNearWhatWasSeen) {
  for (const int digits : {0, 1, 3}) {
    EvolveOptions options = small_search();
    options.digits = digits;
    for (const SiteFront& site : evolve(layernorms(), options, silent_monitor()).sites) {
      for (const FrontPoint& point : site.front) {
        const Interval x{4 * site.seen.low, 4 * site.seen.high};
        for (int i = 0; i <= 1000; ++i) {
          const double y = point.expression(x.low + (x.high - x.low) * i / 1000);
          ASSERT_LE(std::abs(y), digits == 1 ? 2 * kLargestY : kLargestY) << point.expression.to_string();
        }
      }
    }
  }
}

TEST(Evolve, AddsNoClipWhereTheFunctionSetHasNoneWithFreeBounds) {
  for (const char* set : {"paper", "+,*,tanh"}) {
    EvolveOptions options = small_search();
    options.function_set = set;
    for (const SiteFront& site : evolve(layernorms(), options, silent_monitor()).sites) {
      for (const FrontPoint& point : site.front) {
        EXPECT_EQ(point.expression.to_string().find("-10, 10"), std::string::npos)
            << point.expression.to_string();
        EXPECT_LE(point.expression.size(), static_cast<size_t>(options.max_nodes));
      }
    }
  }
}

TEST(Evolve, SurvivesTheSmallestBudgets) {
  EvolveOptions options = small_search();
  options.population = 8;
  options.tournament = 1;
  options.generations = 1;
  options.max_nodes = 1;
  options.initial_depth = 1;
  options.seeds = 1;
  for (const SiteFront& site : evolve(layernorms(), options, silent_monitor()).sites) {
    expect_front(site.front, options, site.seen);
  }
}

/// The message of the InputError that a search gives.
std::string message_of(const Mappings& mappings) {
  try {
    evolve(mappings, small_search(), silent_monitor());
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Evolve, RefusesASiteWithoutPairsInOneOfItsFoldsAndNamesIt) {
  const char* purposes[] = {"in the first half of those to fit on", "in the second half of those to fit on",
                            "to choose by", "to report on"};
  for (size_t fold = 0; fold < kFolds; ++fold) {
    Mappings mappings = layernorms();
    for (auto& measure : mappings.sites[1].bins) {
      std::fill(measure[fold].begin(), measure[fold].end(), Moments{});
    }
    EXPECT_EQ(message_of(mappings), std::string("mappings: site b has no pairs of positive weight ") +
                                        purposes[fold] + ", expected some in each part of the pictures");
  }
}

/// Keeps what it is told.
class Notes : public Monitor {
 public:
  void notice(const std::string& line) override { notices.push_back(line); }
  std::vector<std::string> notices;
};

TEST(Evolve, ChoosesByThePicturesFittedOnWhereThereAreNoOthersAndSaysSo) {
  Mappings mappings = layernorms();
  mappings.choose_part = false;
  for (SiteMapping& site : mappings.sites) {
    for (auto& measure : site.bins) {
      std::fill(measure[static_cast<size_t>(Fold::kChoose)].begin(),
                measure[static_cast<size_t>(Fold::kChoose)].end(), Moments{});
    }
  }
  EvolveOptions options = small_search();
  options.generations = 3;
  Notes notes;
  for (const SiteFront& site : evolve(mappings, options, notes).sites) {
    for (const FrontPoint& point : site.front) {
      EXPECT_EQ(point.choose_error, point.error);
      EXPECT_NE(point.held_out_r2, point.r2);
    }
  }
  ASSERT_EQ(notes.notices.size(), 1U);
  EXPECT_EQ(notes.notices[0],
            "evolve: these mappings hold no pictures to choose by; choices are made on those fitted on");
}

TEST(Evolve, JudgesEachPartOnPicturesOfItsOwn) {
  EvolveOptions options = small_search();
  options.generations = 3;
  const Fronts fronts = evolve(layernorms(), options, silent_monitor());
  for (size_t i = 0; i < fronts.sites.size(); ++i) {
    const SiteMapping& site = layernorms().sites[i];
    for (const FrontPoint& point : fronts.sites[i].front) {
      const auto fit = [&](Measure measure, Part part) {
        return evaluate_fit(point.expression, make_samples(site, measure, part));
      };
      EXPECT_EQ(point.error, fit(Measure::kWeight, Part::kFit).error);
      EXPECT_EQ(point.choose_error, fit(Measure::kWeight, Part::kChoose).error);
      EXPECT_EQ(point.choose_r2, fit(Measure::kWeight, Part::kChoose).r2);
      EXPECT_EQ(point.held_out_r2, fit(Measure::kWeight, Part::kReport).r2);
      EXPECT_EQ(point.plain_r2, fit(Measure::kCount, Part::kReport).r2);
    }
    EXPECT_EQ(fronts.sites[i].held_out_ceiling, ceiling(site, Measure::kWeight, Part::kReport));
    EXPECT_EQ(fronts.sites[i].plain_ceiling, ceiling(site, Measure::kCount, Part::kReport));
  }
}

TEST(Evolve, StillSearchesMappingsOfVersion1) {
  const Mappings mappings = read_mappings(Path(NORMGRAFT_SOURCE_DIR) / "examples" / "deit_tiny.ngm");
  EvolveOptions options = small_search();
  options.sites = {"blocks.5.norm2"};
  const Fronts fronts = evolve(mappings, options, silent_monitor());
  expect_front(fronts.sites[0].front, options, fronts.sites[0].seen, 192);
  EXPECT_GT(fronts.sites[0].front.back().held_out_r2, 0.5);
  EXPECT_EQ(to_json(fronts).dump().find("null"), std::string::npos);
}

TEST(Evolve, ShowsABoundThatTheShownFigureCannotExceed) {
  class Figures : public Monitor {
   public:
    void progress(const std::string&, int64_t, int64_t, const std::string&,
                  const std::string& note) override {
      double r2 = 0, bound = 0;
      ASSERT_EQ(std::sscanf(note.c_str(), "mean R2 %lf of at most %lf on the bins searched", &r2, &bound), 2)
          << note;
      EXPECT_LE(r2, bound);
      EXPECT_LE(bound, 1);
      last_r2 = r2;
      last_bound = bound;
    }
    double last_r2 = 0, last_bound = 0;
  } figures;
  // Few noisy pairs: a fit is nearer to the pairs it was fitted to than the regression can be to others.
  Mappings mappings{.model = "synthetic", .weighted = false, .sites = {}};
  SiteAccumulator accumulator("noisy", 4, 16);
  Random random{5};
  std::vector<float> x(64), y(64);
  for (int picture = 0; picture < 10; ++picture) {
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(random.normal());
      y[i] = static_cast<float>(random.normal());
    }
    accumulator.add_picture(fold_of(picture), x, y);
  }
  mappings.sites.push_back(accumulator.finish());
  EvolveOptions options = small_search();
  options.search_bins = 16;
  const Fronts fronts = evolve(mappings, options, figures);
  EXPECT_GT(figures.last_r2, fronts.sites[0].ceiling) << "the estimate would not do as a bound";
  EXPECT_LT(figures.last_bound, 0.9);
}

/// Counts progress, and asks to stop after a number of calls.
class Counter : public Monitor {
 public:
  explicit Counter(int64_t stop_after) : stop_after_(stop_after) {}
  void progress(const std::string& stage, int64_t done, int64_t total, const std::string& unit,
                const std::string& note) override {
    EXPECT_FALSE(busy_.exchange(true)) << "two calls at once";
    EXPECT_EQ(stage, "evolve");
    EXPECT_EQ(unit, "generations");
    EXPECT_EQ(done, last_ + 1);
    EXPECT_NE(note.find("mean R2"), std::string::npos);
    last_ = done;
    total_ = total;
    busy_ = false;
  }
  bool stopped() const override { return last_ >= stop_after_; }
  int64_t last() const { return last_; }
  int64_t total() const { return total_; }

 private:
  int64_t stop_after_;
  std::atomic<bool> busy_ = false;
  int64_t last_ = 0;
  int64_t total_ = 0;
};

TEST(Evolve, ReportsEveryGenerationOfEverySeed) {
  EvolveOptions options = small_search();
  options.threads = 3;
  Counter counter(1'000'000);
  evolve(layernorms(), options, counter);
  EXPECT_EQ(counter.last(), 2 * 2 * 12);
  EXPECT_EQ(counter.total(), 2 * 2 * 12);
}

TEST(Evolve, StopsWhenAsked) {
  EvolveOptions options = small_search();
  options.threads = 2;
  Counter counter(5);
  EXPECT_THROW(evolve(layernorms(), options, counter), Interrupted);
  EXPECT_LT(counter.last(), 10);
}

/// Asks to stop after a number of generations.
class StopAfter : public Monitor {
 public:
  explicit StopAfter(int64_t generations) : left_(generations) {}
  void progress(const std::string&, int64_t, int64_t, const std::string&, const std::string&) override {
    --left_;
  }
  bool stopped() const override { return left_ <= 0; }

 private:
  std::atomic<int64_t> left_;
};

TEST(Evolve, GoesOnAfterAStopAsIfThereHadBeenNone) {
  const testing::TemporaryFolder folder;
  EvolveOptions options = small_search();
  options.islands = 3;
  options.patience = 4;
  options.migration = 5;
  const std::string expected = to_json(evolve(layernorms(), options, silent_monitor())).dump();
  for (int stop = 0; stop < 3; ++stop) {
    StopAfter monitor(9);
    EXPECT_THROW(evolve(layernorms(), options, monitor, folder / "states"), Interrupted);
  }
  StopAfter monitor(4 * 12 - 3 * 9 + 3);  // fewer than all generations: each thread may overshoot by one
  EXPECT_EQ(to_json(evolve(layernorms(), options, monitor, folder / "states")).dump(), expected);
}

TEST(Evolve, DoesNotGoOnFromStatesOfAnotherSearchNorFromDamagedOnes) {
  const testing::TemporaryFolder folder;
  EvolveOptions options = small_search();
  evolve(layernorms(), options, silent_monitor(), folder / "states");
  options.seed = 2;
  const std::string expected = to_json(evolve(layernorms(), options, silent_monitor())).dump();
  EXPECT_EQ(to_json(evolve(layernorms(), options, silent_monitor(), folder / "states")).dump(), expected);
  for (const auto& entry : std::filesystem::directory_iterator(folder / "states")) {
    std::filesystem::resize_file(entry.path(), std::filesystem::file_size(entry.path()) / 2);
  }
  EXPECT_EQ(to_json(evolve(layernorms(), options, silent_monitor(), folder / "states")).dump(), expected);
}

TEST(Evolve, WithIslandsGivesTheSameBytesOnAnyNumberOfThreads) {
  std::set<std::string> texts;
  for (const int threads : {1, 3}) {
    EvolveOptions options = small_search();
    options.islands = 4;
    options.migration = 3;
    options.patience = 2;
    options.threads = threads;
    texts.insert(to_json(evolve(layernorms(), options, silent_monitor())).dump());
  }
  EXPECT_EQ(texts.size(), 1);
}

TEST(Evolve, PutsClosedFormsThatClipAtFiveOnAGridThatHasNoFive) {
  EvolveOptions options = small_search();
  options.generations = 1;
  options.seeds = 1;
  options.signed_digits = 1;
  const Fronts fronts = evolve(layernorms(), options, silent_monitor());
  for (const SiteFront& site : fronts.sites) {
    for (const BaselinePoint& form : site.baselines)
      EXPECT_TRUE(is_on_grid(form.point.expression, options.grid())) << form.point.expression.to_string();
  }
}

TEST(Evolve, PutsEveryConstantOfFrontsAndPlansOnTheGridAskedFor) {
  EvolveOptions free = small_search();
  const Fronts reference = evolve(layernorms(), free, silent_monitor());
  for (const ConstantGrid& grid :
       {ConstantGrid{.digits = 2}, ConstantGrid{.fraction_bits = 5}, ConstantGrid{.signed_digits = 3}}) {
    SCOPED_TRACE(to_json(grid).dump());
    const auto expect_on_grid = [&](const Expression& f) {
      for (const float c : f.constants()) {
        if (grid.signed_digits > 0) {
          EXPECT_LE(signed_digits(c), 3) << f.to_string();
          EXPECT_EQ(c * 65536, std::round(c * 65536)) << f.to_string();
        } else if (grid.fraction_bits >= 0) {
          EXPECT_EQ(c * 32, std::round(c * 32)) << f.to_string();
        } else {
          EXPECT_EQ(c, std::strtof(fmt::format("{:.1e}", c).c_str(), nullptr)) << f.to_string();
        }
      }
    };
    EvolveOptions options = small_search();
    options.set_grid(grid);
    Notes notes;
    const Fronts fronts = evolve(layernorms(), options, notes);
    for (size_t i = 0; i < fronts.sites.size(); ++i) {
      for (const FrontPoint& point : fronts.sites[i].front) expect_on_grid(point.expression);
      for (const auto& seed : fronts.sites[i].seeds) {
        for (const FrontPoint& point : seed) expect_on_grid(point.expression);
      }
      EXPECT_GT(best_r2(fronts.sites[i].front), best_r2(reference.sites[i].front) - 0.003);
      // A closed form is there, nearly as good as off the grid, or its absence has been told.
      for (const BaselinePoint& ideal : reference.sites[i].baselines) {
        const auto& forms = fronts.sites[i].baselines;
        const auto found = std::find_if(forms.begin(), forms.end(),
                                        [&](const BaselinePoint& form) { return form.name == ideal.name; });
        if (found == forms.end()) {
          EXPECT_TRUE(std::any_of(notes.notices.begin(), notes.notices.end(), [&](const std::string& line) {
            return line.find(ideal.name) != std::string::npos;
          })) << ideal.name;
        } else {
          expect_on_grid(found->point.expression);
          EXPECT_EQ(why_not_admissible(found->point.expression, {fronts.sites[i].seen}), "");
          // Large constants that cancel do not survive so coarse a grid.
          const bool cancels = ideal.name == "log" || ideal.name.starts_with("lines");
          if (!cancels) {
            EXPECT_GT(found->point.r2, ideal.point.r2 - 0.02) << ideal.name;
          }
        }
      }
    }
    for (const char* strategy : {"knee", "min-error", "shape:clip", "shape:scaled-tanh", "shape:clip5"}) {
      const Plan plan = select_plan(fronts, strategy);
      EXPECT_EQ(plan.grid, options.grid());
      for (const PlanEntry& entry : plan.entries) {
        expect_on_grid(entry.expression);
        EXPECT_EQ(why_not_admissible(entry.expression, {entry.seen}), "");
      }
    }
  }
}

TEST(Evolve, StartsFromTheExpressionsGiven) {
  const Mappings mappings{.model = "synthetic",
                          .weighted = false,
                          .sites = {site_of_function("s", [](double x) {
                            return erf(x) * std::clamp(x * x - 1, 0.3, 2.0) + tanh(3 * x);
                          })}};
  EvolveOptions options = small_search();
  options.generations = 1;
  EXPECT_LT(best_r2(evolve(mappings, options, silent_monitor()).sites[0].front), 0.999);
  options.starts = {"x", "erf(1.1*x)*clip(square(x) - 1, 0.2, 2.1) + tanh(2.5*x)"};
  EXPECT_GT(best_r2(evolve(mappings, options, silent_monitor()).sites[0].front), 0.9999);
}

TEST(Evolve, PutsTheConstantsThatAStartComputesOnTheGrid) {
  const Mappings mappings{.model = "synthetic",
                          .weighted = false,
                          .sites = {site_of_function("s", [](double x) { return 0.1767767 * x; })}};
  EvolveOptions options = small_search();
  options.generations = 1;
  options.function_set = "tanh";
  options.set_grid({.signed_digits = 2});
  options.starts = {"exp2(-2.5)*x"};
  const Fronts fronts = evolve(mappings, options, silent_monitor());
  EXPECT_EQ(fronts.sites[0].front.back().expression, Expression::parse("0.1875*x"));
}

TEST(Evolve, StartsFromTheClosedFormsWhenAsked) {
  EvolveOptions options = small_search();
  options.generations = 1;
  options.seed_closed_forms = true;
  for (const SiteFront& site : evolve(layernorms(), options, silent_monitor()).sites) {
    for (const BaselinePoint& baseline : site.baselines) {
      if (baseline.point.expression.size() > static_cast<size_t>(options.max_nodes)) continue;
      EXPECT_GE(best_r2(site.front), baseline.point.r2 - 1e-4) << baseline.name;
    }
  }
}

TEST(Evolve, FindsBetterFunctionsThanRandomSearchWithAsManyGenerations) {
  EvolveOptions options = small_search();
  const Fronts evolved = evolve(layernorms(), options, silent_monitor());
  options.random_search = true;
  const Fronts drawn = evolve(layernorms(), options, silent_monitor());
  for (size_t i = 0; i < evolved.sites.size(); ++i) {
    expect_front(drawn.sites[i].front, options, drawn.sites[i].seen);
    EXPECT_GT(best_r2(evolved.sites[i].front), best_r2(drawn.sites[i].front));
  }
}

TEST(Evolve, EndsEarlyWithAnAnswerWhenTimeIsLimitedAndSaysSo) {
  class Notices : public Monitor {
   public:
    void notice(const std::string& line) override { text += line; }
    std::string text;
  } monitor;
  EvolveOptions options = small_search();
  options.generations = 100'000;
  options.seconds = 0.3;
  const Fronts fronts = evolve(layernorms(), options, monitor);
  for (const SiteFront& site : fronts.sites) expect_front(site.front, options, site.seen);
  EXPECT_NE(monitor.text.find("limited by time"), std::string::npos);
}

TEST(Evolve, RefusesWrongOptionsAndSitesThatDoNotExist) {
  EvolveOptions options = small_search();
  options.population = 0;
  EXPECT_THROW(evolve(layernorms(), options, silent_monitor()), InputError);
  options = small_search();
  options.sites = {"c"};
  EXPECT_THROW(evolve(layernorms(), options, silent_monitor()), InputError);
  options = small_search();
  options.profile = "no_such_profile";
  EXPECT_THROW(evolve(layernorms(), options, silent_monitor()), InputError);
  EXPECT_THROW(evolve(Mappings{}, small_search(), silent_monitor()), InputError);
}

}  // namespace
}  // namespace normgraft
