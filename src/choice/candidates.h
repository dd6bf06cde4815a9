#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normgraft/cost/profile.h"
#include "normgraft/evolve/budget.h"
#include "normgraft/evolve/evolve.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// A function that a site may get.
struct Candidate {
  FrontPoint point;
  std::string origin;    ///< "front", or the closed form's name
  double cost = 0;       ///< for one picture, or of its unit, in the profile's unit
  double predicted = 0;  ///< divergence of a graft of this site alone: predicted_divergence(), Part::kFit
  double loss = 0;       ///< its share of what a plan with it is expected to lose, set by expect()
};

/// Candidates of one site by increasing cost, and among equals by predicted loss.
struct SiteCandidates {
  std::string site;
  std::vector<Candidate> candidates;

  /// The candidate of an expression, where there is one.
  std::optional<size_t> find(const Expression& f) const;
};

/// Front and closed forms of every site, but for those of which no circuit can be made, where the profile is
/// one of circuits. Throws InputError naming a site without a front or mapping, or where nothing is left.
std::vector<SiteCandidates> candidates_of(const Fronts& fronts, const Mappings& mappings,
                                          const Profile& profile);

/// A few candidates' indices to measure: the cheapest, the middle one by predicted loss, the most accurate.
std::vector<size_t> to_measure(const SiteCandidates& site);

/// The candidates worth trying: by rising cost, the cheapest and each that is predicted to lose at least 3 %
/// less than the one taken before it.
std::vector<size_t> worth_their_cost(const SiteCandidates& site);

/// Sets `loss` of all candidates from the losses of some: `losses[i]` is that of candidate `indices[i]`, at
/// least one. In between, the loss is interpolated over the logarithm of the prediction; beyond the first and
/// the last it stays as there.
void expect(SiteCandidates& site, const std::vector<size_t>& indices, const std::vector<double>& losses);

}  // namespace normgraft
