#include "candidates.h"

#include <algorithm>
#include <cmath>

#include "normgraft/core/error.h"
#include "normgraft/cost/site_cost.h"

namespace normgraft {
namespace {

constexpr double kLeastDivergence = 1e-7;  ///< smaller predictions are raised to it, to have a logarithm
constexpr double kWorthwhile = 0.97;       ///< share of a cheaper candidate's loss that a dearer one may have

Candidate candidate(const FrontPoint& point, const std::string& origin, const SiteMapping& mapping,
                    const Profile& profile, const SiteCost& cost) {
  const double elements = profile.of_circuits() ? 1 : static_cast<double>(mapping.tokens * mapping.channels);
  const double predicted =
      std::max(predicted_divergence(point.expression, mapping, Part::kFit), kLeastDivergence);
  return {point, origin, cost(point.expression) * elements, predicted, predicted};
}

}  // namespace

std::optional<size_t> SiteCandidates::find(const Expression& f) const {
  const auto found = std::find_if(candidates.begin(), candidates.end(),
                                  [&](const Candidate& c) { return c.point.expression == f; });
  if (found == candidates.end()) return std::nullopt;
  return static_cast<size_t>(found - candidates.begin());
}

std::vector<SiteCandidates> candidates_of(const Fronts& fronts, const Mappings& mappings,
                                          const Profile& profile) {
  std::vector<SiteCandidates> all;
  for (const SiteFront& front : fronts.sites) {
    if (front.front.empty()) throw InputError("fronts: site " + front.site + " has no point to choose");
    const SiteMapping& mapping = mappings.site(front.site);
    const SiteCost cost(profile, mapping);
    SiteCandidates site{front.site, {}};
    for (const FrontPoint& point : front.front)
      site.candidates.push_back(candidate(point, "front", mapping, profile, cost));
    for (const BaselinePoint& shape : front.baselines) {
      site.candidates.push_back(candidate(shape.point, shape.name, mapping, profile, cost));
    }
    std::erase_if(site.candidates, [](const Candidate& c) { return !std::isfinite(c.cost); });
    if (site.candidates.empty()) {
      throw InputError("choice: no function of site " + front.site +
                       " can be made a circuit, as the profile " + profile.name + " counts");
    }
    std::stable_sort(site.candidates.begin(), site.candidates.end(),
                     [](const Candidate& a, const Candidate& b) {
                       return a.cost != b.cost ? a.cost < b.cost : a.predicted < b.predicted;
                     });
    all.push_back(std::move(site));
  }
  return all;
}

std::vector<size_t> to_measure(const SiteCandidates& site) {
  const auto& all = site.candidates;
  const auto height = [&](size_t i) { return std::log(all[i].predicted); };
  size_t best = 0, middle = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (height(i) < height(best)) best = i;
  }
  const double wanted = 0.5 * (height(0) + height(best));
  for (size_t i = 0; i < all.size(); ++i) {
    if (std::abs(height(i) - wanted) < std::abs(height(middle) - wanted)) middle = i;
  }
  std::vector<size_t> indices = {0, middle, best};
  std::sort(indices.begin(), indices.end());
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  return indices;
}

std::vector<size_t> worth_their_cost(const SiteCandidates& site) {
  std::vector<size_t> indices = {0};
  for (size_t i = 1; i < site.candidates.size(); ++i) {
    if (site.candidates[i].predicted <= kWorthwhile * site.candidates[indices.back()].predicted)
      indices.push_back(i);
  }
  return indices;
}

void expect(SiteCandidates& site, const std::vector<size_t>& indices, const std::vector<double>& losses) {
  std::vector<std::pair<double, double>> known;  // log of the prediction, loss
  for (size_t i = 0; i < indices.size(); ++i)
    known.emplace_back(std::log(site.candidates[indices[i]].predicted), losses[i]);
  std::sort(known.begin(), known.end());
  for (Candidate& c : site.candidates) {
    const double at = std::log(c.predicted);
    const auto above =
        std::find_if(known.begin(), known.end(), [&](const auto& point) { return point.first >= at; });
    if (above == known.begin() || above == known.end()) {
      c.loss = above == known.end() ? known.back().second : known.front().second;
    } else {
      const auto below = above - 1;
      const double share = (at - below->first) / (above->first - below->first);
      c.loss = below->second + share * (above->second - below->second);
    }
  }
  // Interpolation mixes candidates of equal prediction; those that were measured keep their own loss.
  for (size_t i = 0; i < indices.size(); ++i) site.candidates[indices[i]].loss = losses[i];
}

}  // namespace normgraft
