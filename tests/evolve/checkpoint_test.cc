#include "checkpoint.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "synthetic.h"

namespace normgraft {
namespace {

Mappings some_mappings() {
  return {.model = "synthetic", .weighted = false, .sites = {layernorm_site("a", 1, 10)}};
}

/// The same edges, and y with the other sign.
Mappings upside_down(Mappings mappings) {
  for (SiteMapping& site : mappings.sites) {
    for (auto& measure : site.bins) {
      for (auto& fold : measure) {
        for (Moments& bin : fold) {
          bin.y = -bin.y;
          bin.sxy = -bin.sxy;
        }
      }
    }
    for (auto& measure : site.y) {
      for (Moments& fold : measure) fold.y = -fold.y;
    }
  }
  return mappings;
}

EvolveOptions short_search() {
  EvolveOptions options;
  options.population = 40;
  options.generations = 3;
  options.seeds = 1;
  return options;
}

TEST(Checkpoints, OfOtherBinsAreNotUsed) {
  const testing::TemporaryFolder folder;
  const Mappings before = some_mappings(), after = upside_down(before);
  const std::string expected = to_json(evolve(after, short_search(), silent_monitor())).dump();
  evolve(before, short_search(), silent_monitor(), folder / "states");
  EXPECT_EQ(to_json(evolve(after, short_search(), silent_monitor(), folder / "states")).dump(), expected);
}

TEST(SearchIdentity, DiffersWithEverythingThatTheCourseOfASearchDependsOn) {
  const Mappings mappings = some_mappings();
  const EvolveOptions options = short_search();
  const uint64_t identity = search_identity(mappings, options);
  EXPECT_NE(search_identity(upside_down(mappings), options), identity);
  Mappings other = mappings;
  other.sites[0].name.push_back('b');
  EXPECT_NE(search_identity(other, options), identity);
  other = mappings;
  other.sites[0].edges.back() += 1;
  EXPECT_NE(search_identity(other, options), identity);
  EvolveOptions longer = options;
  ++longer.generations;
  EXPECT_NE(search_identity(mappings, longer), identity);
  EvolveOptions threaded = options;
  threaded.threads = 3;
  EXPECT_EQ(search_identity(mappings, threaded), identity);
}

}  // namespace
}  // namespace normgraft
