#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "normgraft/core/random.h"
#include "normgraft/mapping/accumulator.h"

namespace normgraft::synthetic {

/// The pairs of one picture.
struct Picture {
  std::vector<float> x, y, weight;
};

/// What a LayerNorm does to tokens that differ in mean and scale and whose channels differ in spread, some of
/// them outliers far from the rest; weights differ too.
inline std::vector<Picture> layer_norm(int pictures, int tokens, int channels, uint64_t seed) {
  Random random{seed};
  std::vector<double> centre(channels), scale(channels);
  for (int d = 0; d < channels; ++d) {
    const bool outlier = d % 48 == 7;
    centre[d] = (outlier ? 9.0 : 0.3) * random.normal();
    scale[d] = std::exp(0.5 * random.normal()) * (outlier ? 4 : 1);
  }
  std::vector<Picture> all;
  for (int p = 0; p < pictures; ++p) {
    Picture picture;
    for (int n = 0; n < tokens; ++n) {
      const double shift = 0.2 * random.normal();
      const double stretch = std::exp(0.3 * random.normal());
      std::vector<double> token(channels);
      double mean = 0;
      for (int d = 0; d < channels; ++d) {
        token[d] = shift + centre[d] + stretch * scale[d] * random.normal();
        mean += token[d] / channels;
      }
      double variance = 0;
      for (double v : token) variance += (v - mean) * (v - mean) / channels;
      for (double v : token) {
        picture.x.push_back(static_cast<float>(v));
        picture.y.push_back(static_cast<float>((v - mean) / std::sqrt(variance + 1e-6)));
        picture.weight.push_back(static_cast<float>(std::exp(random.normal())));
      }
    }
    all.push_back(std::move(picture));
  }
  return all;
}

/// Deals pictures as a capture does, in small: of every six, two to each half, one to report on, one to
/// choose by.
inline Fold fold_of(size_t picture) {
  constexpr Fold kDeal[] = {Fold::kFirstHalf, Fold::kSecondHalf, Fold::kReport,
                            Fold::kChoose,    Fold::kFirstHalf,  Fold::kSecondHalf};
  return kDeal[picture % 6];
}

inline SiteMapping capture(const std::vector<Picture>& pictures, bool weighted, size_t bins = 2048) {
  SiteAccumulator accumulator("blocks.0.norm1", 1, static_cast<int64_t>(pictures.front().x.size()));
  for (size_t i = 0; i < pictures.size(); ++i) {
    const Picture& p = pictures[i];
    accumulator.add_picture(fold_of(i), p.x, p.y,
                            weighted ? std::span<const float>(p.weight) : std::span<const float>());
  }
  return accumulator.finish(bins);
}

/// Whether the pictures of a fold belong to a part.
inline bool in_part(Fold fold, Part part) {
  switch (part) {
    case Part::kFit:
      return fold == Fold::kFirstHalf || fold == Fold::kSecondHalf;
    case Part::kChoose:
      return fold == Fold::kChoose;
    case Part::kReport:
      return fold == Fold::kReport;
    case Part::kAll:
      break;
  }
  return true;
}

/// Moments over the raw pairs of a part that fall into [low, high), two passes in double.
inline Moments raw_moments(const std::vector<Picture>& pictures, bool weighted, Part part, double low = -1e30,
                           double high = 1e30) {
  Moments m;
  const auto each = [&](const auto& visit) {
    for (size_t p = 0; p < pictures.size(); ++p) {
      if (!in_part(fold_of(p), part)) continue;
      const Picture& picture = pictures[p];
      for (size_t i = 0; i < picture.x.size(); ++i) {
        if (picture.x[i] < low || picture.x[i] >= high) continue;
        visit(double{picture.x[i]}, double{picture.y[i]}, weighted ? double{picture.weight[i]} : 1.0);
      }
    }
  };
  each([&](double x, double y, double w) {
    m.weight += w;
    m.weight2 += w * w;
    m.x += w * x;
    m.y += w * y;
  });
  if (m.weight == 0) return m;
  m.x /= m.weight;
  m.y /= m.weight;
  each([&](double x, double y, double w) {
    m.sxx += w * (x - m.x) * (x - m.x);
    m.sxy += w * (x - m.x) * (y - m.y);
    m.syy += w * (y - m.y) * (y - m.y);
  });
  return m;
}

/// The weighted mean squared error of f over the raw pairs of a part, in double.
template <class F>
double raw_error(const std::vector<Picture>& pictures, bool weighted, Part part, const F& f) {
  double error = 0;
  double weight = 0;
  for (size_t p = 0; p < pictures.size(); ++p) {
    if (!in_part(fold_of(p), part)) continue;
    const Picture& picture = pictures[p];
    for (size_t i = 0; i < picture.x.size(); ++i) {
      const double w = weighted ? picture.weight[i] : 1.0;
      const double difference = f(picture.x[i]) - picture.y[i];
      error += w * difference * difference;
      weight += w;
    }
  }
  return error / weight;
}

}  // namespace normgraft::synthetic
