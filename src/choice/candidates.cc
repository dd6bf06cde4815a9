#include "candidates.h"

#include <algorithm>
#include <cmath>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

constexpr double kLeastDivergence = 1e-7;  ///< predictions and measurements below it are taken for it

Candidate candidate(const FrontPoint& point, const std::string& origin, const SiteMapping& mapping, const Profile& profile) {
  const double elements = static_cast<double>(mapping.tokens * mapping.channels);
  const double predicted = std::max(predicted_divergence(point.expression, mapping), kLeastDivergence);
  return {point, origin, profile(point.expression) * elements, predicted, predicted};
}

}  // namespace

size_t SiteCandidates::index_of(const FrontPoint& point, const SiteMapping& mapping, const Profile& profile) {
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].point.expression == point.expression) return i;
  }
  candidates.push_back(candidate(point, "front", mapping, profile));
  return candidates.size() - 1;
}

double predicted_divergence(const Expression& f, const SiteMapping& mapping) {
  const Samples samples = make_samples(mapping, Measure::kWeight, Part::kAll);
  return 0.5 * evaluate_fit(f, samples).error * samples.total_weight / static_cast<double>(mapping.pictures);
}

std::vector<SiteCandidates> candidates_of(const Fronts& fronts, const Mappings& mappings, const Profile& profile) {
  std::vector<SiteCandidates> all;
  for (const SiteFront& front : fronts.sites) {
    if (front.front.empty()) throw InputError("fronts: site " + front.site + " has no point to choose");
    const SiteMapping& mapping = mappings.site(front.site);
    SiteCandidates site{front.site, {}};
    for (const FrontPoint& point : front.front) site.candidates.push_back(candidate(point, "front", mapping, profile));
    for (const BaselinePoint& shape : front.baselines) {
      site.candidates.push_back(candidate(shape.point, shape.name, mapping, profile));
    }
    std::stable_sort(site.candidates.begin(), site.candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.cost != b.cost ? a.cost < b.cost : a.predicted < b.predicted;
    });
    double best = std::numeric_limits<double>::infinity();
    std::erase_if(site.candidates, [&best](const Candidate& c) {
      if (!(c.predicted < best)) return true;
      best = c.predicted;
      return false;
    });
    all.push_back(std::move(site));
  }
  return all;
}

std::vector<size_t> to_measure(const SiteCandidates& site) {
  const size_t last = site.candidates.size() - 1;
  const double middle = 0.5 * (std::log(site.candidates.front().predicted) + std::log(site.candidates.back().predicted));
  size_t nearest = 0;
  for (size_t i = 0; i <= last; ++i) {
    const auto distance = [&](size_t k) { return std::abs(std::log(site.candidates[k].predicted) - middle); };
    if (distance(i) < distance(nearest)) nearest = i;
  }
  std::vector<size_t> indices = {0, nearest, last};
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  return indices;
}

void correct(SiteCandidates& site, const std::vector<size_t>& indices, const std::vector<double>& measured) {
  std::vector<std::pair<double, double>> known;  // log of the prediction, log of measured / predicted
  for (size_t i = 0; i < indices.size(); ++i) {
    const double predicted = site.candidates[indices[i]].predicted;
    known.emplace_back(std::log(predicted), std::log(std::max(measured[i], kLeastDivergence) / predicted));
  }
  std::sort(known.begin(), known.end());
  for (Candidate& c : site.candidates) {
    const double at = std::log(c.predicted);
    const auto above = std::lower_bound(known.begin(), known.end(), std::pair(at, -std::numeric_limits<double>::infinity()));
    double ratio = 0;
    if (above == known.begin()) {
      ratio = known.front().second;
    } else if (above == known.end()) {
      ratio = known.back().second;
    } else {
      const auto below = above - 1;
      const double share = (at - below->first) / (above->first - below->first);
      ratio = below->second + share * (above->second - below->second);
    }
    c.loss = c.predicted * std::exp(ratio);
  }
}

}  // namespace normgraft
