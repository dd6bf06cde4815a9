// Products of whole numbers, compiled once for each SIMD target: no include guard but Highway's.
#if defined(NORMGRAFT_ENGINE_PRODUCT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMGRAFT_ENGINE_PRODUCT_INL_H
#undef NORMGRAFT_ENGINE_PRODUCT_INL_H
#else
#define NORMGRAFT_ENGINE_PRODUCT_INL_H
#endif

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine_kernels.h"
#include "hwy/highway.h"

// Highway 1.0 has no products of bytes. Those of AVX-512 VNNI do not saturate.
#undef NORMGRAFT_BYTE_PRODUCTS
#undef NORMGRAFT_BYTES_ATTR
#if HWY_TARGET == HWY_AVX3
#define NORMGRAFT_BYTE_PRODUCTS 1
#define NORMGRAFT_BYTES_ATTR __attribute__((target("avx512vnni,avx512vbmi")))
#else
#define NORMGRAFT_BYTE_PRODUCTS 0
#endif

HWY_BEFORE_NAMESPACE();
namespace normgraft {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D32 = hn::CappedTag<int32_t, 16>;
using V32 = hn::Vec<D32>;

HWY_INLINE size_t lanes() {
  return hn::Lanes(D32());
}

/// Rows of the other side that a product computes at once: as many as leave registers for the rest.
constexpr size_t kTileRows = HWY_TARGET == HWY_AVX3 ? 6 : 2;

#if HWY_TARGET == HWY_SCALAR
template <size_t kRows, size_t kColumns>
void short_tile(const std::byte* x, size_t x_stride, const std::byte* w, size_t groups, const int32_t* start,
                int32_t* out, size_t out_stride) {
  const auto* weights = reinterpret_cast<const int16_t*>(w);
  for (size_t r = 0; r < kRows; ++r) {
    const auto* row = reinterpret_cast<const int16_t*>(x + r * x_stride);
    for (size_t c = 0; c < kColumns; ++c) {
      int32_t sum = start[c];
      for (size_t i = 0; i < 2 * groups; ++i) sum += row[i] * weights[(i / 2 * kColumns + c) * 2 + i % 2];
      out[r * out_stride + c] = sum;
    }
  }
}
#else
/// Sums of kRows x kColumns registers: out[r, :] = start + sum over groups of x[r, group] . w[group, :].
/// Strides are in bytes and in numbers of 32 bits.
template <size_t kRows, size_t kColumns>
void short_tile(const std::byte* x, size_t x_stride, const std::byte* w, size_t groups, const int32_t* start,
                int32_t* out, size_t out_stride) {
  const D32 d32;
  const hn::Repartition<int16_t, D32> d16;
  const size_t n = lanes();
  constexpr size_t kAll = kRows * kColumns;
  V32 sums[kAll];
  V32 more[kAll];  // where the target sums pairs in two parts
  // Unrolled, arrays stay in registers.
#pragma GCC unroll 24
  for (size_t i = 0; i < kAll; ++i) sums[i] = more[i] = hn::Zero(d32);
  const auto* weights = reinterpret_cast<const int16_t*>(w);
  for (size_t g = 0; g < groups; ++g) {
    hn::Vec<decltype(d16)> wide[kColumns];
#pragma GCC unroll 4
    for (size_t c = 0; c < kColumns; ++c) wide[c] = hn::LoadU(d16, weights + (g * kColumns + c) * 2 * n);
#pragma GCC unroll 6
    for (size_t r = 0; r < kRows; ++r) {
      int32_t pair;
      std::memcpy(&pair, x + r * x_stride + g * sizeof(pair), sizeof(pair));
      const auto both = hn::BitCast(d16, hn::Set(d32, pair));
#pragma GCC unroll 4
      for (size_t c = 0; c < kColumns; ++c) {
        const size_t i = r * kColumns + c;
        sums[i] = hn::ReorderWidenMulAccumulate(d32, wide[c], both, sums[i], more[i]);
      }
    }
  }
#pragma GCC unroll 24
  for (size_t i = 0; i < kAll; ++i) {
    const size_t c = i % kColumns * n;
    const V32 sum = hn::RearrangeToOddPlusEven(sums[i], more[i]);
    hn::StoreU(hn::Add(sum, hn::LoadU(d32, start + c)), d32, out + i / kColumns * out_stride + c);
  }
}
#endif

#if NORMGRAFT_BYTE_PRODUCTS
/// As above, with what multiplies and adds in one: unsigned bytes by signed ones, or shorts.
template <bool kBytes, size_t kRows, size_t kColumns>
NORMGRAFT_BYTES_ATTR void fused_tile(const std::byte* x, size_t x_stride, const std::byte* w, size_t groups,
                                     const int32_t* start, int32_t* out, size_t out_stride) {
  constexpr size_t kLanes = 16, kAll = kRows * kColumns;
  __m512i sums[kAll];
#pragma GCC unroll 24
  for (size_t i = 0; i < kAll; ++i) sums[i] = _mm512_loadu_si512(start + i % kColumns * kLanes);
  for (size_t g = 0; g < groups; ++g) {
    __m512i weights[kColumns];
#pragma GCC unroll 4
    for (size_t c = 0; c < kColumns; ++c) weights[c] = _mm512_loadu_si512(w + (g * kColumns + c) * 64);
#pragma GCC unroll 6
    for (size_t r = 0; r < kRows; ++r) {
      int32_t group;
      std::memcpy(&group, x + r * x_stride + g * sizeof(group), sizeof(group));
      const __m512i all = _mm512_set1_epi32(group);
#pragma GCC unroll 4
      for (size_t c = 0; c < kColumns; ++c) {
        __m512i& sum = sums[r * kColumns + c];
        sum = kBytes ? _mm512_dpbusd_epi32(sum, all, weights[c]) : _mm512_dpwssd_epi32(sum, all, weights[c]);
      }
    }
  }
#pragma GCC unroll 24
  for (size_t i = 0; i < kAll; ++i) {
    _mm512_storeu_si512(out + i / kColumns * out_stride + i % kColumns * kLanes, sums[i]);
  }
}
#endif

using Tile = void (*)(const std::byte*, size_t, const std::byte*, size_t, const int32_t*, int32_t*, size_t);

/// Tiles of 1 to kTileRows rows and 1 to kPanel registers.
template <template <size_t, size_t> typename Of, size_t... kIndices>
constexpr auto tiles_of(std::index_sequence<kIndices...>) {
  struct Tiles {
    Tile at[kTileRows][kPanel];
  } tiles{};
  ((tiles.at[kIndices / kPanel][kIndices % kPanel] =
        Of<kIndices / kPanel + 1, kIndices % kPanel + 1>::kFunction),
   ...);
  return tiles;
}

template <size_t kRows, size_t kColumns>
struct ShortTile {
  static constexpr Tile kFunction = short_tile<kRows, kColumns>;
};
#if NORMGRAFT_BYTE_PRODUCTS
template <size_t kRows, size_t kColumns>
struct FusedBytes {
  static constexpr Tile kFunction = fused_tile<true, kRows, kColumns>;
};
template <size_t kRows, size_t kColumns>
struct FusedShorts {
  static constexpr Tile kFunction = fused_tile<false, kRows, kColumns>;
};
#endif

using AllTiles = std::make_index_sequence<kTileRows * kPanel>;

/// How a side is multiplied: `fused` where the machine has what multiplies and adds in one.
HWY_INLINE Tile tile_of(Storage storage, bool fused, size_t rows, size_t columns) {
#if NORMGRAFT_BYTE_PRODUCTS
  static constexpr auto kBytes = tiles_of<FusedBytes>(AllTiles());
  static constexpr auto kFused = tiles_of<FusedShorts>(AllTiles());
  if (storage == Storage::kBytes) return kBytes.at[rows - 1][columns - 1];
  if (fused) return kFused.at[rows - 1][columns - 1];
#else
  (void)storage;
  (void)fused;
#endif
  static constexpr auto kShorts = tiles_of<ShortTile>(AllTiles());
  return kShorts.at[rows - 1][columns - 1];
}

/// What a product is made of, in bytes; `columns` is a multiple of the lanes.
struct Side {
  const std::byte* data;
  Storage storage;
  bool fused;  ///< whether it may be multiplied by what multiplies and adds in one
  size_t groups, columns;
  const int32_t* start;
};

/// Calls sink(row, column, rows, columns) for each tile of the product of rows of x and a packed side, after
/// its sums have been written where place(row, column) says.
template <typename Place, typename Sink>
HWY_INLINE void product(const std::byte* x, size_t x_stride, size_t rows, const Side& side, size_t out_stride,
                        Place&& place, Sink&& sink) {
  const size_t panel = kPanel * lanes();
  for (size_t column = 0; column < side.columns; column += panel) {
    const size_t columns = std::min(panel, side.columns - column);
    const std::byte* data = side.data + column * side.groups * sizeof(int32_t);
    for (size_t row = 0; row < rows; row += kTileRows) {
      const size_t some = std::min(kTileRows, rows - row);
      const Tile tile = tile_of(side.storage, side.fused, some, columns / lanes());
      tile(x + row * x_stride, x_stride, data, side.groups, side.start + column, place(row, column),
           out_stride);
      sink(row, column, some, columns);
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace normgraft
HWY_AFTER_NAMESPACE();

#endif
