#pragma once

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
  double cost = 0;       ///< for one picture, in the profile's unit
  double predicted = 0;  ///< divergence by the capture's weights
  double loss = 0;       ///< the same, corrected by measurement
};

/// Candidates of one site by increasing cost and decreasing predicted loss.
struct SiteCandidates {
  std::string site;
  std::vector<Candidate> candidates;

  /// The candidate of an expression; adds it at the end, out of order, when it is not there.
  size_t index_of(const FrontPoint& point, const SiteMapping& mapping, const Profile& profile);
};

/// Half the weighted squared error of f over the pairs of a picture.
double predicted_divergence(const Expression& f, const SiteMapping& mapping);

/// Front and closed forms of every site, those that another beats in cost and prediction left out.
std::vector<SiteCandidates> candidates_of(const Fronts& fronts, const Mappings& mappings, const Profile& profile);

/// A few candidates' indices to measure: the cheapest, the middle one by predicted loss, the most accurate.
std::vector<size_t> to_measure(const SiteCandidates& site);

/// Sets `loss` of all: predicted, times the ratio of measured to predicted between the candidates measured
/// (interpolated in the logarithm of the prediction). `measured[i]` belongs to `indices[i]`.
void correct(SiteCandidates& site, const std::vector<size_t>& indices, const std::vector<double>& measured);

}  // namespace normgraft
