#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "normgraft/expr/grid.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// Which primitives the search draws from, and how often (weights relative to their sum).
struct FunctionSet {
  std::string name;
  std::vector<std::pair<Op, double>> weights;  ///< operators only; x and constants are leaves
  bool free_clip_bounds = true;                ///< false: every clip is [-5, 5]
  bool linear_scaling = true;                  ///< half of the children become a*f + b with the best a, b
};

/// A set by its name, or a list of primitives.
/// - "paper": + .28, * .26, neg .08, tanh .20, sigmoid .10, clip to [-5, 5] .08 (arXiv 2605.14047).
/// - "hardware": adds -, min, max, abs, square, div, erf, rsqrt and free clip bounds; the default.
/// - "circuit": what a circuit has cheaply: + - * min max abs neg log2 and free clip bounds.
/// - A list has a weight for each primitive unless that is 1: "+,*,clip=2". Its clip bounds are free, and
///   linear scaling is on when + and * are there.
///
/// `of_token`, for functions of r, which is held in a range: "hardware" has exp too, "circuit" exp2. Closed
/// forms are fitted beside the search whatever the set. Throws InputError for anything else.
FunctionSet function_set(const std::string& name, bool of_token = false);

/// Options of the search. Defaults are the published ones where there is one (arXiv 2605.14047).
/// visit_options() says what each means and its range.
struct EvolveOptions {
  std::string function_set = "hardware";
  std::string profile = "flops";
  int population = 500;
  int generations = 50;
  int islands = 1;
  int migration = 10;
  int patience = 0;
  int tournament = 7;
  int max_nodes = 20;
  int initial_depth = 4;
  int constant_iterations = 10;
  int digits = 0;
  int fraction_bits = -1;
  int signed_digits = 0;
  double tail_penalty = 0.0;
  bool random_search = false;
  bool seed_closed_forms = false;
  std::vector<std::string> starts = {};
  int seeds = 5;
  uint64_t seed = 1;
  int threads = 0;  ///< 0: all cores; to 4096. Not visited: the result does not depend on it
  double seconds = 0;
  size_t search_bins = 128;
  Measure measure = Measure::kWeight;
  std::vector<std::string> sites = {};

  /// Where constants may lie.
  ConstantGrid grid() const {
    return {.digits = digits, .fraction_bits = fraction_bits, .signed_digits = signed_digits};
  }
  void set_grid(const ConstantGrid& grid) {
    digits = grid.digits;
    fraction_bits = grid.fraction_bits;
    signed_digits = grid.signed_digits;
  }

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

/// What an option is called and what it means, in one line.
struct OptionText {
  std::string_view key;  ///< in fronts.json; on the command line with dashes
  std::string_view description;
};

/// Shows each option that has a say in the result to `visit`: visit(OptionText, value, low, high) for a
/// number in [low, high], visit(OptionText, value) for everything else. The only list of them: ranges, JSON,
/// the identity of a checkpoint and the command line follow from it.
template <typename Options, typename Visitor>
void visit_options(Options& o, Visitor&& visit) {
  using Text = OptionText;
  visit(Text{"function_set", "hardware, paper, circuit, or a list of primitives: +,*,clip=2"},
        o.function_set);
  visit(Text{"profile", "what cost means: flops, ice40 or ecp5 (area of circuits), or a JSON file"},
        o.profile);
  visit(Text{"population", "individuals of all islands"}, o.population, 8, 100'000);
  visit(Text{"generations", "generations"}, o.generations, 1, 100'000);
  visit(Text{"islands", "populations that share only the archive, of at least 8 individuals"}, o.islands, 1,
        o.population / 8);
  visit(Text{"migration", "generations between visits of the archive to the islands"}, o.migration, 1,
        100'000);
  visit(Text{"patience", "generations without progress before an island starts anew; 0: never"}, o.patience,
        0, 100'000);
  visit(Text{"tournament", "size of a tournament"}, o.tournament, 1, o.population);
  visit(
      Text{"max_nodes", "largest expression; a clip that holds it within LayerNorm's range may be one more"},
      o.max_nodes, 1, 200);
  visit(Text{"initial_depth", "of the first trees"}, o.initial_depth, 1, 10);
  visit(Text{"constant_iterations",
             "Levenberg-Marquardt steps for each new individual, all of them only for promising ones"},
        o.constant_iterations, 0, 1000);
  visit(Text{"digits", "significant decimal digits of constants; 0: any"}, o.digits, 0, 8);
  visit(Text{"fraction_bits", "constants are multiples of 2^-N; -1: any"}, o.fraction_bits, -1, 30);
  visit(Text{"signed_digits", "constants are sums of N signed powers of two, 2^-16 to 2^15; 0: any"},
        o.signed_digits, 0, 8);
  visit(Text{"tail_penalty",
             "weight of mean f(+-2 max|x|)^2, added to the error: a sampled guard on extrapolation "
             "(published: 0.005)"},
        o.tail_penalty, 0.0, 1e6);
  visit(Text{"random_search", "random trees in every generation, for comparison"}, o.random_search);
  visit(Text{"seed_closed_forms", "start from the fitted closed forms too"}, o.seed_closed_forms);
  visit(Text{"starts", "expressions to start from"}, o.starts);
  visit(Text{"seeds", "independent runs for each site"}, o.seeds, 1, 1000);
  visit(Text{"seed", "names all random streams"}, o.seed);
  visit(Text{"seconds", "end early after so much time, not reproducible; 0: no limit"}, o.seconds, 0.0, 1e9);
  visit(Text{"search_bins", "bins that the search looks at; fronts are judged on all"}, o.search_bins,
        size_t{16}, size_t{65536});
  visit(Text{"measure", "weight: errors count as captured; count: all pairs alike"}, o.measure);
  visit(Text{"sites", "only these sites"}, o.sites);
}

/// "weight" or "count".
std::string_view measure_name(Measure measure);

/// All options that are visited.
Json to_json(const EvolveOptions& options);
/// Throws InputError naming the option that is missing or wrong.
EvolveOptions evolve_options_at(const JsonPlace& place);

}  // namespace normgraft
