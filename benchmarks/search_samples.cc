#include <fmt/format.h>
#include <fmt/ostream.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>
#include <vector>

#include "normgraft/core/error.h"
#include "normgraft/evolve/evolve.h"

// search_samples sites MAPPINGS: the names of the sites, one a line.
// search_samples dump MAPPINGS SITE FILE [--bins N]: writes the pairs to fit on as samples of equal mass.
// search_samples search FILE [options]: searches functions of these samples; prints the front as JSON.

namespace normgraft {
namespace {

struct Sample {
  double x, y, weight;
};

/// The part of a bin between two shares of its mass: x spread evenly around its mean with its variance, y on
/// the bin's regression line.
Moments piece(const Moments& bin, double from, double to) {
  const double dx = (0.5 * (from + to) - 0.5) * std::sqrt(12 * bin.sxx / bin.weight);
  const double slope = bin.sxx > 0 ? bin.sxy / bin.sxx : 0;
  return {.weight = (to - from) * bin.weight, .x = bin.x + dx, .y = bin.y + slope * dx};
}

/// Bins joined and split into `count` samples of equal mass, by increasing x.
std::vector<Sample> equal_mass_samples(const std::vector<Moments>& bins, size_t count) {
  constexpr double kFull = 1 - 1e-9;  // leaves room for rounding
  Moments all;
  for (const Moments& bin : bins) all.merge(bin);
  const double mass = all.weight / static_cast<double>(count);
  std::vector<Sample> samples;
  Moments open;
  for (const Moments& bin : bins) {
    for (double from = 0, to = 0; bin.weight > 0 && from < 1; from = to) {
      to = std::min(1.0, from + (mass - open.weight) / bin.weight);
      open.merge(piece(bin, from, to));
      if (open.weight < kFull * mass) continue;
      samples.push_back({open.x, open.y, 1.0 / static_cast<double>(count)});
      open = {};
    }
  }
  std::sort(samples.begin(), samples.end(), [](const Sample& a, const Sample& b) { return a.x < b.x; });
  return samples;
}

void write_samples(const Path& path, const std::vector<Sample>& samples) {
  write_atomically(path, [&](std::ostream& out) {
    out << "x,y,weight\n";
    for (const Sample& s : samples) fmt::print(out, "{},{},{}\n", s.x, s.y, s.weight);
  });
}

std::vector<Sample> read_samples(const Path& path) {
  std::istringstream lines(read_file(path, "samples"));
  std::string line;
  std::getline(lines, line);
  std::vector<Sample> samples;
  while (std::getline(lines, line)) {
    std::replace(line.begin(), line.end(), ',', ' ');
    std::istringstream fields(line);
    Sample& s = samples.emplace_back();
    if (!(fields >> s.x >> s.y >> s.weight))
      throw InputError(fmt::format("samples {}: \"{}\"", path.string(), line));
  }
  if (samples.size() < 2) throw InputError(fmt::format("samples {}: expected at least two", path.string()));
  return samples;
}

/// A site with one bin without spread for each sample, the same in every fold: its figures on pictures held
/// out are those of the fit.
Mappings as_mappings(const std::vector<Sample>& samples) {
  SiteMapping site;
  site.name = "samples";
  std::vector<Moments> fitted;
  double most = 0;
  site.edges.push_back(samples.front().x);
  for (const Sample& s : samples) {
    if (!fitted.empty()) site.edges.push_back(0.5 * (fitted.back().x + s.x));
    fitted.push_back({.weight = s.weight, .x = s.x, .y = s.y, .weight2 = s.weight * s.weight});
    most = std::max(most, s.y * s.y);
  }
  site.edges.push_back(samples.back().x);
  site.channels = static_cast<int64_t>(std::ceil(most)) + 1;  // no y of LayerNorm exceeds sqrt(D - 1)
  for (auto& folds : site.bins) folds.fill(fitted);
  site.y = y_of_bins(site);
  return {.model = "samples", .weighted = false, .sites = {std::move(site)}};
}

Json as_json(const Fronts& fronts) {
  const SiteFront& site = fronts.sites.front();
  Json front = Json::array();
  for (const FrontPoint& point : site.front) {
    front.push_back({{"nodes", point.expression.size()},
                     {"cost", point.cost},
                     {"error", point.error},
                     {"expression", point.expression.to_string()}});
  }
  return {{"seconds", fronts.seconds}, {"evaluations", site.evaluations}, {"front", front}};
}

void add_sites(CLI::App& app) {
  auto mappings = std::make_shared<Path>();
  CLI::App* command = app.add_subcommand("sites", "print the names of the sites");
  command->add_option("mappings", *mappings, "mappings.ngm")->required();
  command->callback([mappings] {
    for (const SiteMapping& site : read_mappings(*mappings).sites) fmt::print("{}\n", site.name);
  });
}

void add_dump(CLI::App& app) {
  struct Options {
    Path mappings, samples;
    std::string site;
    size_t bins = 2048;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("dump", "write the pairs of one site as samples of equal mass");
  command->add_option("mappings", options->mappings, "mappings.ngm")->required();
  command->add_option("site", options->site, "name of the site")->required();
  command->add_option("samples", options->samples, "CSV file to write")->required();
  command->add_option("--bins", options->bins, "samples")->capture_default_str()->check(CLI::Range(2, 65536));
  command->callback([options] {
    const Mappings mappings = read_mappings(options->mappings);
    const std::vector<Moments> bins = mappings.site(options->site).of(Measure::kCount, Part::kFit);
    write_samples(options->samples, equal_mass_samples(bins, options->bins));
  });
}

void add_search(CLI::App& app) {
  struct Options {
    Path samples;
    EvolveOptions search{.seeds = 2, .threads = 2, .measure = Measure::kCount};
  };
  auto options = std::make_shared<Options>();
  EvolveOptions& search = options->search;
  CLI::App* command = app.add_subcommand("search", "search functions of samples");
  command->add_option("samples", options->samples, "CSV file with x, y, weight by increasing x")->required();
  command->add_option("--function-set", search.function_set)->capture_default_str();
  command->add_option("--profile", search.profile)->capture_default_str();
  command->add_option("--population", search.population)->capture_default_str();
  command->add_option("--generations", search.generations)->capture_default_str();
  command->add_option("--seconds", search.seconds)->capture_default_str();
  command->add_option("--max-nodes", search.max_nodes)->capture_default_str();
  command->add_option("--constant-iterations", search.constant_iterations)->capture_default_str();
  command->add_option("--tail-penalty", search.tail_penalty)->capture_default_str();
  command->add_option("--search-bins", search.search_bins)->capture_default_str();
  command->add_option("--seeds", search.seeds, "independent runs, joined into one front")
      ->capture_default_str();
  command->add_option("--seed", search.seed)->capture_default_str();
  command->add_option("--threads", search.threads)->capture_default_str();
  command->callback([options] {
    const Mappings mappings = as_mappings(read_samples(options->samples));
    fmt::print("{}\n", as_json(evolve(mappings, options->search, silent_monitor())).dump());
  });
}

int run(int argc, char** argv) {
  CLI::App app("search_samples: normgraft's search on plain samples (x, y, weight)");
  app.require_subcommand(1);
  add_sites(app);
  add_dump(app);
  add_search(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const InputError& error) {
    fmt::print(stderr, "search_samples: {}\n", error.what());
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace normgraft

int main(int argc, char** argv) {
  return normgraft::run(argc, argv);
}
