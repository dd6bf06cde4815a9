#include "normgraft/mapping/accumulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <stdexcept>

#include "grouping.h"

namespace normgraft {
namespace {

// The grid: |x| + kLinear has 2^kCellBits cells in each octave, so cells have equal relative width far from
// zero and equal width near it. |x| beyond kOctaves octaves falls into the outermost cells.
constexpr float kLinear = 0x1p-14F;
constexpr int kCellBits = 8;
constexpr int kOctaves = 32;
constexpr int kShift = 23 - kCellBits;
constexpr int32_t kHalf = kOctaves << kCellBits;  // cells on each side of zero
constexpr int32_t kFirst = std::bit_cast<int32_t>(kLinear) >> kShift;
constexpr int32_t kMagnitude = 0x7fffffff;  // of a float: all but the sign

/// Raw sums over the pairs of one cell, x relative to its centre; one cache line. The order serves the
/// compiler, which updates neighbours together.
struct alignas(64) Cell {
  double w, xy, x, y, xx, yy, w2, unused;
};

float lower_magnitude(int32_t magnitude_cell) {
  return std::bit_cast<float>((kFirst + magnitude_cell) << kShift) - kLinear;
}

float centre_magnitude(int32_t magnitude_cell) {
  return std::bit_cast<float>(((kFirst + magnitude_cell) << kShift) | (1 << (kShift - 1))) - kLinear;
}

/// Cells run from the most negative x to the most positive; ~m mirrors m.
double cell_start(int32_t cell) {
  const int32_t m = cell - kHalf;
  return m >= 0 ? lower_magnitude(m) : -lower_magnitude(-m);
}

double cell_centre(int32_t cell) {
  const int32_t m = cell - kHalf;
  return m >= 0 ? centre_magnitude(m) : -centre_magnitude(~m);
}

/// All cells of a grid, zero at first; the system provides memory only for those that are touched.
class Cells {
 public:
  bool empty() const { return memory_ == nullptr; }
  const Cell& operator[](int32_t i) const { return cells()[i]; }

  Cell* cells() const {
    const auto address = reinterpret_cast<uintptr_t>(memory_.get());
    const uintptr_t aligned = (address + sizeof(Cell) - 1) / sizeof(Cell) * sizeof(Cell);
    return reinterpret_cast<Cell*>(reinterpret_cast<std::byte*>(memory_.get()) + (aligned - address));
  }

  void allocate() {
    memory_.reset(std::calloc(2 * kHalf + 1, sizeof(Cell)));
    if (empty()) throw std::bad_alloc();
  }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
};

constexpr size_t kBlock = 256;

/// Cell and distance from its centre of up to kBlock values of x.
struct Placed {
  int32_t cell[kBlock];
  float dx[kBlock];
};

void place(const float* x, size_t n, Placed& placed) {
  for (size_t i = 0; i < n; ++i) {
    const int32_t bits = std::bit_cast<int32_t>(x[i]);
    const int32_t sign = bits >> 31;
    const float magnitude = std::bit_cast<float>(bits & kMagnitude);
    const int32_t shifted = (std::bit_cast<int32_t>(magnitude + kLinear) >> kShift) - kFirst;
    const int32_t m = shifted < kHalf ? shifted : kHalf - 1;
    const float centre = std::bit_cast<float>(((kFirst + m) << kShift) | (1 << (kShift - 1))) - kLinear;
    const float distance = magnitude - centre;
    placed.cell[i] = kHalf + (m ^ sign);
    placed.dx[i] = sign == 0 ? distance : -distance;
  }
}

void add_pairs(Cell* cells, const Placed& placed, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    Cell& cell = cells[placed.cell[i]];
    const double dx = placed.dx[i];
    const double dy = y[i];
    cell.w += 1;
    cell.xy += dx * dy;
    cell.x += dx;
    cell.y += dy;
    cell.xx += dx * dx;
    cell.yy += dy * dy;
  }
}

void add_weighted_pairs(Cell* cells, const Placed& placed, const float* y, const float* weight, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    Cell& cell = cells[placed.cell[i]];
    const double dx = placed.dx[i];
    const double dy = y[i];
    const double w = weight[i];
    const double wx = w * dx;
    const double wy = w * dy;
    cell.w += w;
    cell.xy += wx * dy;
    cell.x += wx;
    cell.y += wy;
    cell.xx += wx * dx;
    cell.yy += wy * dy;
    cell.w2 += w * w;
  }
}

/// Whether all values are finite and none is below `low`, in a form that compilers vectorise.
bool all_valid(std::span<const float> values, float low) {
  constexpr uint32_t kSmallestExponent = 0x00800000;  // carries an exponent of all ones into the sign
  uint32_t bad = 0;
  for (float v : values) {
    bad |= (std::bit_cast<uint32_t>(v) & kMagnitude) + kSmallestExponent;
    bad |= static_cast<uint32_t>(v < low) << 31;
  }
  return bad >> 31 == 0;
}

/// Widens [low, high] to contain all values.
void widen(std::span<const float> values, float& low, float& high) {
  constexpr size_t kLanes = 16;
  float lows[kLanes];
  float highs[kLanes];
  std::fill_n(lows, kLanes, low);
  std::fill_n(highs, kLanes, high);
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float v = values[i + lane];
      lows[lane] = v < lows[lane] ? v : lows[lane];
      highs[lane] = v > highs[lane] ? v : highs[lane];
    }
  }
  low = *std::min_element(lows, lows + kLanes);
  high = *std::max_element(highs, highs + kLanes);
  for (; i < values.size(); ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
}

/// Raw sums of y alone.
struct Sums {
  double w = 0, y = 0, yy = 0;

  void add(std::span<const float> values, std::span<const float> weight) {
    for (size_t i = 0; i < values.size(); ++i) {
      const double wi = weight.empty() ? 1.0 : weight[i];
      w += wi;
      y += wi * values[i];
      yy += wi * values[i] * values[i];
    }
  }

  Moments central() const {
    Moments m;
    if (w == 0) return m;
    m.weight = w;
    m.y = y / w;
    m.syy = std::max(0.0, yy - y * m.y);
    return m;
  }
};

Moments central(const Cell& cell, double centre, bool weighted) {
  Moments m;
  m.weight = cell.w;
  if (cell.w == 0) return m;
  const double dx = cell.x / cell.w;
  m.x = centre + dx;
  m.y = cell.y / cell.w;
  m.sxx = std::max(0.0, cell.xx - cell.x * dx);
  m.sxy = cell.xy - cell.x * m.y;
  m.syy = std::max(0.0, cell.yy - cell.y * m.y);
  m.weight2 = weighted ? cell.w2 : cell.w;
  return m;
}

}  // namespace

struct SiteAccumulator::Grid {
  std::string name;
  int64_t tokens = 0;
  int64_t channels = 0;
  int64_t pictures = 0;
  bool weighted = false;
  bool has_offsets = false;
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  std::array<std::array<Cells, kFolds>, kMeasures> cells;
  OfFolds<Sums> y;  // used with offsets

  Cells& of(Measure measure, Fold fold) {
    return cells[static_cast<size_t>(measure)][static_cast<size_t>(fold)];
  }

  void check(std::span<const float> values, const char* what, float lowest) const {
    const auto expected = static_cast<size_t>(tokens * channels);
    if (values.size() != expected) {
      throw std::runtime_error(fmt::format("site {}, picture {}: {} values of {}, expected {}", name,
                                           pictures, values.size(), what, expected));
    }
    if (!all_valid(values, lowest)) {
      throw std::runtime_error(fmt::format("site {}, picture {}: {} has values that are not finite{}", name,
                                           pictures, what, lowest < 0 ? "" : " or negative"));
    }
  }

  void check_offset(std::span<const float> offset) const {
    const auto expected = static_cast<size_t>(tokens);
    if (offset.size() != expected || !all_valid(offset, std::numeric_limits<float>::lowest())) {
      throw std::runtime_error(
          fmt::format("site {}, picture {}: {} values of offset, expected {} that are finite", name, pictures,
                      offset.size(), expected));
    }
  }

  Cell* ready(Measure measure, Fold fold) {
    Cells& chosen = of(measure, fold);
    if (chosen.empty()) chosen.allocate();
    return chosen.cells();
  }

  /// Edges on starts of cells, and the cells of each bin as [first_cells[i], first_cells[i + 1]).
  struct Bins {
    std::vector<double> edges;
    std::vector<int32_t> first_cells;
  };
  Bins choose_bins(size_t count) const;
  std::vector<Moments> collect(const Cells& source, bool with_weights,
                               const std::vector<int32_t>& first_cells) const;
};

SiteAccumulator::Grid::Bins SiteAccumulator::Grid::choose_bins(size_t count) const {
  std::vector<int32_t> occupied;
  std::vector<double> mass, position;
  for (int32_t i = 0; i < 2 * kHalf; ++i) {
    double pairs = 0;
    for (const Fold fold : folds_of(Part::kFit)) {
      const Cells& counts = cells[static_cast<size_t>(Measure::kCount)][static_cast<size_t>(fold)];
      if (!counts.empty()) pairs += counts[i].w;
    }
    if (pairs == 0) continue;
    occupied.push_back(i);
    mass.push_back(pairs);
    position.push_back(cell_centre(i));
  }
  Bins bins{{low}, {0}};
  for (size_t item : group_items(mass, position, count)) {
    // The sum |x| + kLinear rounds, so an extreme x may lie a hair outside its cell.
    const double start = cell_start(occupied[item]);
    if (start <= low || start >= high) continue;
    bins.edges.push_back(start);
    bins.first_cells.push_back(occupied[item]);
  }
  bins.edges.push_back(low < high ? high : std::nextafter(high, std::numeric_limits<float>::infinity()));
  bins.first_cells.push_back(2 * kHalf);
  return bins;
}

std::vector<Moments> SiteAccumulator::Grid::collect(const Cells& source, bool with_weights,
                                                    const std::vector<int32_t>& first_cells) const {
  std::vector<Moments> bins(first_cells.size() - 1);
  if (source.empty()) return bins;
  for (size_t bin = 0; bin < bins.size(); ++bin) {
    for (int32_t i = first_cells[bin]; i < first_cells[bin + 1]; ++i) {
      bins[bin].merge(central(source[i], cell_centre(i), with_weights));
    }
  }
  return bins;
}

SiteAccumulator::SiteAccumulator(std::string name, int64_t tokens, int64_t channels)
    : grid_(std::make_unique<Grid>()) {
  grid_->name = std::move(name);
  grid_->tokens = tokens;
  grid_->channels = channels;
}

SiteAccumulator::~SiteAccumulator() = default;
SiteAccumulator::SiteAccumulator(SiteAccumulator&&) noexcept = default;
SiteAccumulator& SiteAccumulator::operator=(SiteAccumulator&&) noexcept = default;

void SiteAccumulator::add_picture(Fold fold, std::span<const float> x, std::span<const float> y,
                                  std::span<const float> weight, std::span<const float> offset) {
  Grid& grid = *grid_;
  grid.check(x, "x", std::numeric_limits<float>::lowest());
  grid.check(y, "y", std::numeric_limits<float>::lowest());
  if (!weight.empty()) grid.check(weight, "weight", 0);
  if (grid.pictures > 0 && grid.weighted == weight.empty()) {
    throw std::runtime_error(
        fmt::format("site {}, picture {}: weights for some pictures only", grid.name, grid.pictures));
  }
  if (grid.pictures > 0 && grid.has_offsets == offset.empty()) {
    throw std::runtime_error(
        fmt::format("site {}, picture {}: offsets for some pictures only", grid.name, grid.pictures));
  }
  std::vector<float> moved;
  if (!offset.empty()) {
    grid.check_offset(offset);
    moved.assign(y.begin(), y.end());
    for (size_t i = 0; i < moved.size(); ++i) moved[i] += offset[i / static_cast<size_t>(grid.channels)];
    for (const Measure measure : {Measure::kCount, Measure::kWeight}) {
      grid.y[static_cast<size_t>(measure)][static_cast<size_t>(fold)].add(
          y, measure == Measure::kWeight ? weight : std::span<const float>{});
    }
    y = moved;
  }
  grid.has_offsets = !offset.empty();
  grid.weighted = !weight.empty();
  if (std::ranges::count(folds_of(Part::kFit), fold) > 0) widen(x, grid.low, grid.high);
  Cell* counts = grid.ready(Measure::kCount, fold);
  Cell* weights = grid.weighted ? grid.ready(Measure::kWeight, fold) : nullptr;
  Placed placed;
  for (size_t i = 0; i < x.size(); i += kBlock) {
    const size_t n = std::min(kBlock, x.size() - i);
    place(x.data() + i, n, placed);
    add_pairs(counts, placed, y.data() + i, n);
    if (weights) add_weighted_pairs(weights, placed, y.data() + i, weight.data() + i, n);
  }
  ++grid.pictures;
}

SiteMapping SiteAccumulator::finish(size_t bins) const {
  const Grid& grid = *grid_;
  if (!(grid.low <= grid.high))
    throw std::runtime_error(fmt::format("site {}: no pairs to fit to captured", grid.name));
  SiteMapping site;
  site.name = grid.name;
  site.pictures = grid.pictures;
  site.tokens = grid.tokens;
  site.channels = grid.channels;
  Grid::Bins chosen = grid.choose_bins(std::max<size_t>(bins, 16));
  site.edges = std::move(chosen.edges);
  for (size_t fold = 0; fold < kFolds; ++fold) {
    const auto& [counts, weights] = grid.cells;
    site.bins[0][fold] = grid.collect(counts[fold], false, chosen.first_cells);
    site.bins[1][fold] =
        grid.weighted ? grid.collect(weights[fold], true, chosen.first_cells) : site.bins[0][fold];
  }
  if (!grid.has_offsets) {
    site.y = y_of_bins(site);
    return site;
  }
  for (size_t measure = 0; measure < kMeasures; ++measure) {
    for (size_t fold = 0; fold < kFolds; ++fold) site.y[measure][fold] = grid.y[measure][fold].central();
  }
  return site;
}

}  // namespace normgraft
