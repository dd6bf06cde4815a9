#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "normgraft/core/random.h"
#include "normgraft/mapping/accumulator.h"

namespace normgraft {

inline constexpr int64_t kTokens = 64;
inline constexpr int64_t kChannels = 96;

/// Deals pictures as a capture does, in small: of every five, two to each half, then one to report on and one
/// to choose by in turn.
inline Fold fold_of(int picture) {
  if (picture % 5 == 2) return picture % 2 == 0 ? Fold::kReport : Fold::kChoose;
  return fit_fold(picture % 5);
}

/// A site that has seen `pictures` pictures of x with y = f(x).
inline SiteMapping site_of_function(const std::string& name, const std::function<double(double)>& f,
                                    int pictures = 10) {
  SiteAccumulator accumulator(name, kTokens, kChannels);
  std::vector<float> x(kTokens * kChannels);
  std::vector<float> y(x.size());
  for (int picture = 0; picture < pictures; ++picture) {
    Random random{77, static_cast<uint64_t>(picture)};
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(1.5 * random.normal());
      y[i] = static_cast<float>(f(x[i]));
    }
    accumulator.add_picture(fold_of(picture), x, y);
  }
  return accumulator.finish();
}

/// A site that has seen LayerNorm of tokens with means and scales of their own and a few outlying channels.
inline SiteMapping layernorm_site(const std::string& name, uint64_t seed, int pictures = 20) {
  SiteAccumulator accumulator(name, kTokens, kChannels);
  Random shape{seed};
  const double spread = shape.uniform(0.2, 0.5);
  const double outlier = shape.uniform(4.0, 15.0);
  const double sign = shape.uniform() < 0.5 ? -1.0 : 1.0;
  std::vector<float> x(kTokens * kChannels);
  std::vector<float> y(x.size());
  for (int picture = 0; picture < pictures; ++picture) {
    Random random{seed, static_cast<uint64_t>(picture)};
    for (int64_t token = 0; token < kTokens; ++token) {
      const double scale = std::exp(spread * random.normal());
      const double shift = 0.2 * random.normal();
      double mean = 0;
      double square = 0;
      std::vector<double> values(kChannels);
      for (int64_t c = 0; c < kChannels; ++c) {
        const double wide = c == 0 ? sign * outlier : c == 1 ? -0.5 * outlier : c < 6 ? 3.0 : 1.0;
        const double value =
            scale * (c < 2 ? wide * (1 + 0.2 * random.normal()) : wide * random.normal()) + shift;
        values[static_cast<size_t>(c)] = value;
        mean += value / kChannels;
        square += value * value / kChannels;
      }
      const double deviation = std::sqrt(square - mean * mean + 1e-6);
      for (int64_t c = 0; c < kChannels; ++c) {
        const size_t i = static_cast<size_t>(token * kChannels + c);
        x[i] = static_cast<float>(values[static_cast<size_t>(c)]);
        y[i] = static_cast<float>((values[static_cast<size_t>(c)] - mean) / deviation);
      }
    }
    accumulator.add_picture(fold_of(picture), x, y);
  }
  return accumulator.finish();
}

}  // namespace normgraft
