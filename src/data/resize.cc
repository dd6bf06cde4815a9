#include <algorithm>
#include <cmath>
#include <cstring>

#include "resize_window.h"

// The two passes are compiled once more for AVX2 and chosen when the program is loaded, before sanitizers
// work.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define NORMGRAFT_FOR_AVX2_TOO __attribute__((target_clones("avx2", "default")))
#else
#define NORMGRAFT_FOR_AVX2_TOO
#endif

namespace normgraft {
namespace {

constexpr int kFractionBits = 22;
constexpr int kBlockRows = 8;
constexpr int kBlockLanes = kBlockRows * 3;
constexpr int kRowLanes = 32;

/// For each output pixel of an axis the range of input pixels that it draws from, and their weights.
struct Taps {
  struct Range {
    int first, count;
  };
  std::vector<Range> ranges;
  std::vector<int32_t> weights;  ///< stride values for each output pixel
  int stride = 0;

  const int32_t* of(size_t output) const { return &weights[output * static_cast<size_t>(stride)]; }
  int first() const { return ranges.front().first; }
  int last() const { return ranges.back().first + ranges.back().count; }
};

double triangle(double x) {
  return std::max(0.0, 1.0 - std::abs(x));
}

/// Keys' cubic with a = -0.5.
double cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

int32_t to_fixed(double weight) {
  const double scaled = weight * (1 << kFractionBits);
  return static_cast<int32_t>(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
}

/// Taps of the outputs [begin, begin + count) when `inside` of `input` pixels becomes `output` pixels. The
/// edges are taken in single precision, as Pillow stores them.
Taps make_taps(int input, float inside_begin, float inside_end, int output, int begin, int count,
               Interpolation interpolation) {
  const bool is_cubic = interpolation == Interpolation::kBicubic;
  const double scale = static_cast<double>(inside_end - inside_begin) / output;
  const double widening = std::max(scale, 1.0);
  const double support = (is_cubic ? 2.0 : 1.0) * widening;

  Taps taps;
  taps.stride = static_cast<int>(std::ceil(support)) * 2 + 1;
  taps.ranges.resize(static_cast<size_t>(count));
  taps.weights.resize(static_cast<size_t>(count) * static_cast<size_t>(taps.stride));
  std::vector<double> weights;
  for (int i = 0; i < count; ++i) {
    const double center = inside_begin + (begin + i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int last = std::min(input, static_cast<int>(center + support + 0.5));
    weights.clear();
    double sum = 0.0;
    for (int x = first; x < last; ++x) {
      const double distance = (x - center + 0.5) / widening;
      weights.push_back(is_cubic ? cubic(distance) : triangle(distance));
      sum += weights.back();
    }
    int32_t* fixed = &taps.weights[static_cast<size_t>(i) * static_cast<size_t>(taps.stride)];
    for (size_t k = 0; k < weights.size(); ++k)
      fixed[k] = to_fixed(sum == 0.0 ? weights[k] : weights[k] / sum);
    taps.ranges[static_cast<size_t>(i)] = {first, last - first};
  }
  return taps;
}

/// out[j] = clipped sum over k of weights[k] * in[k * stride + j], for kLanes neighbouring j.
template <int kLanes>
[[gnu::always_inline]] inline void weigh(const uint8_t* in, ptrdiff_t stride, const int32_t* weights,
                                         int count, uint8_t* out) {
  int32_t sums[kLanes];
  for (int j = 0; j < kLanes; ++j) sums[j] = 1 << (kFractionBits - 1);
  for (int k = 0; k < count; ++k, in += stride) {
    const int32_t weight = weights[k];
    for (int j = 0; j < kLanes; ++j) sums[j] += weight * in[j];
  }
  for (int j = 0; j < kLanes; ++j)
    out[j] = static_cast<uint8_t>(std::clamp(sums[j] >> kFractionBits, 0, 255));
}

/// Rows [top, top + height) of the image, resampled along x. Eight rows at a time are laid side by side,
/// pixel by pixel, so that neighbouring lanes share their weights.
NORMGRAFT_FOR_AVX2_TOO
Image resample_rows(const Image& image, int top, int height, const Taps& taps) {
  const int width = static_cast<int>(taps.ranges.size());
  Image out{width, height,
            std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height) * 3)};
  const int first = taps.first();
  const int columns = taps.last() - first;
  std::vector<uint8_t> block(static_cast<size_t>(columns) * kBlockLanes);
  uint8_t result[kBlockLanes];
  for (int y = 0; y < height; y += kBlockRows) {
    const int rows = std::min(kBlockRows, height - y);
    for (int r = 0; r < rows; ++r) {
      const uint8_t* from = &image.rgb[(static_cast<size_t>(top + y + r) * image.width + first) * 3];
      uint8_t* to = block.data() + r * 3;
      for (int x = 0; x < columns; ++x) std::memcpy(to + x * kBlockLanes, from + x * 3, 3);
    }
    for (int x = 0; x < width; ++x) {
      const Taps::Range range = taps.ranges[static_cast<size_t>(x)];
      weigh<kBlockLanes>(block.data() + (range.first - first) * kBlockLanes, kBlockLanes,
                         taps.of(static_cast<size_t>(x)), range.count, result);
      uint8_t* to = &out.rgb[(static_cast<size_t>(y) * width + x) * 3];
      for (int r = 0; r < rows; ++r)
        std::memcpy(to + static_cast<ptrdiff_t>(r) * width * 3, result + r * 3, 3);
    }
  }
  return out;
}

/// The image resampled along y; its first row is row `origin` of the input that the taps speak of.
NORMGRAFT_FOR_AVX2_TOO
Image resample_columns(const Image& image, int origin, const Taps& taps) {
  const int height = static_cast<int>(taps.ranges.size());
  const ptrdiff_t stride = static_cast<ptrdiff_t>(image.width) * 3;
  Image out{image.width, height,
            std::vector<uint8_t>(static_cast<size_t>(stride) * static_cast<size_t>(height))};
  for (int y = 0; y < height; ++y) {
    const Taps::Range range = taps.ranges[static_cast<size_t>(y)];
    const int32_t* weights = taps.of(static_cast<size_t>(y));
    const uint8_t* from = image.rgb.data() + (range.first - origin) * stride;
    uint8_t* to = out.rgb.data() + y * stride;
    ptrdiff_t j = 0;
    for (; j + kRowLanes <= stride; j += kRowLanes) {
      weigh<kRowLanes>(from + j, stride, weights, range.count, to + j);
    }
    for (; j < stride; ++j) weigh<1>(from + j, stride, weights, range.count, to + j);
  }
  return out;
}

Image crop(const Image& image, const Window& window) {
  const size_t row = static_cast<size_t>(window.width) * 3;
  Image out{window.width, window.height, std::vector<uint8_t>(row * static_cast<size_t>(window.height))};
  for (int y = 0; y < window.height; ++y) {
    const size_t from = (static_cast<size_t>(window.top + y) * image.width + window.left) * 3;
    std::memcpy(&out.rgb[static_cast<size_t>(y) * row], &image.rgb[from], row);
  }
  return out;
}

bool whole(int size, double begin, double end, int output) {
  return output == size && begin == 0.0 && end == size;
}

}  // namespace

Image resize_window(const Image& image, int width, int height, Interpolation interpolation, const Box& box,
                    const Window& window) {
  const bool same_width = whole(image.width, box.left, box.right, width);
  const bool same_height = whole(image.height, box.top, box.bottom, height);
  if (same_width && same_height) return crop(image, window);

  const auto narrow = [](double edge) { return static_cast<float>(edge); };
  const Taps across = make_taps(image.width, narrow(box.left), narrow(box.right), width, window.left,
                                window.width, interpolation);
  const Taps down = make_taps(image.height, narrow(box.top), narrow(box.bottom), height, window.top,
                              window.height, interpolation);
  if (same_height) return resample_rows(image, window.top, window.height, across);
  const int top = down.first();
  const int rows = down.last() - top;
  return resample_columns(same_width ? crop(image, {window.left, top, window.width, rows})
                                     : resample_rows(image, top, rows, across),
                          top, down);
}

Image resize(const Image& image, int width, int height, Interpolation interpolation, const Box& box) {
  return resize_window(image, width, height, interpolation, box, {0, 0, width, height});
}

Image resize(const Image& image, int width, int height, Interpolation interpolation) {
  return resize(image, width, height, interpolation,
                {0.0, 0.0, static_cast<double>(image.width), static_cast<double>(image.height)});
}

}  // namespace normgraft
