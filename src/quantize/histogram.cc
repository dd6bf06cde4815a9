#include "normgraft/quantize/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace normgraft {
namespace {

constexpr int kEnds = 24;           ///< tried on either side
constexpr double kNarrower = 0.88;  ///< from one end to the next
constexpr double kSmallest = 1e-30;

/// Sum of squared distances beyond an end, for each end tried: high, then by factors narrower.
std::vector<double> beyond(const Histogram& h, double end) {
  std::vector<double> errors(kEnds);
  const double width = (h.high - h.low) / static_cast<double>(h.counts.size());
  for (double& error : errors) {
    for (size_t i = 0; i < h.counts.size(); ++i) {
      const double value = h.low + (static_cast<double>(i) + 0.5) * width;
      const double distance = end > 0 ? value - end : end - value;
      if (distance > 0) error += h.counts[i] * distance * distance;
    }
    end *= kNarrower;
  }
  return errors;
}

}  // namespace

IntegerGrid best_grid(const Histogram& histogram, int bits) {
  double total = 0;
  for (const double count : histogram.counts) total += count;
  const double low = std::min(histogram.low, 0.0), high = std::max(histogram.high, 0.0);
  const std::vector<double> below = low < 0 ? beyond(histogram, low) : std::vector<double>(1);
  const std::vector<double> above = high > 0 ? beyond(histogram, high) : std::vector<double>(1);
  IntegerGrid best = grid_between(low, high, bits);
  double least = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < below.size(); ++i) {
    for (size_t j = 0; j < above.size(); ++j) {
      const IntegerGrid grid = grid_between(low * std::pow(kNarrower, static_cast<double>(i)),
                                            high * std::pow(kNarrower, static_cast<double>(j)), bits);
      const double error = below[i] + above[j] + total * grid.step * grid.step / 12;
      if (!(error < least)) continue;
      least = error;
      best = grid;
    }
  }
  return best;
}

double best_step(const Histogram& histogram, int bits) {
  const double largest = std::max({std::abs(histogram.low), std::abs(histogram.high), kSmallest});
  const auto codes = static_cast<double>((int64_t{1} << (bits - 1)) - 1);
  double total = 0;
  for (const double count : histogram.counts) total += count;
  const std::vector<double> below = beyond(histogram, -largest), above = beyond(histogram, largest);
  double best = largest / codes, least = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < kEnds; ++i) {
    const double step = largest * std::pow(kNarrower, static_cast<double>(i)) / codes;
    const double error = below[i] + above[i] + total * step * step / 12;
    if (!(error < least)) continue;
    least = error;
    best = step;
  }
  return best;
}

}  // namespace normgraft
