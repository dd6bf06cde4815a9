// Steps that take each row for itself, compiled once for each SIMD target: no include guard but Highway's.
#if defined(NORMGRAFT_ENGINE_ROWS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMGRAFT_ENGINE_ROWS_INL_H
#undef NORMGRAFT_ENGINE_ROWS_INL_H
#else
#define NORMGRAFT_ENGINE_ROWS_INL_H
#endif

#include <bit>
#include <cmath>

#include "engine_codes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normgraft {
namespace HWY_NAMESPACE {

/// Sums of a tile to codes.
template <Storage kTo, bool kAdds>
void settle(const int32_t* sums, size_t sums_stride, size_t rows, size_t columns, const LinearPlan& plan,
            size_t column, const Codes& to, size_t row) {
  using K = Kept<kTo>;
  const Limits limits(to);
  const Requantise& unit = plan.requantise;
  if (!unit.fast) {
    columns = std::min(columns, to.width - column);
    for (size_t r = 0; r < rows; ++r) {
      auto* codes = row_of<kTo>(to, row + r) + column;
      for (size_t c = 0; c < columns; ++c) {
        const int64_t v = round_shift(int64_t{sums[r * sums_stride + c]} * unit.exact_multiplier[column + c],
                                      unit.exact_shift[column + c]) +
                          unit.zero;
        put<kTo>(to, codes + c, kAdds ? K::get(codes[c]) + v : v);
      }
    }
    return;
  }
  for (size_t c = 0; c < columns; c += lanes()) {
    const Unit change(unit, column + c);
    for (size_t r = 0; r < rows; ++r) {
      auto* codes = row_of<kTo>(to, row + r) + column + c;
      V32 v = change(hn::LoadU(D32(), sums + r * sums_stride + c));
      if constexpr (kAdds) v = hn::Add(v, K::load(codes));
      K::store(v, limits.lowest, limits.largest, codes);
    }
  }
}

void linear(const LinearPlan& plan, const Codes& from, const Codes& to, size_t first_row, size_t first,
            size_t last) {
  alignas(64) int32_t sums[kTileRows * kPanel * 16];
  const size_t panel = kPanel * lanes();
  const size_t stride = from.stride * (from.storage == Storage::kBytes ? sizeof(uint8_t) : sizeof(int16_t));
  const Packed& weight = plan.weight;
  const Side side{weight.data.data(), weight.storage, weight.fused,
                  weight.groups,      weight.outputs, weight.start.data()};
  const auto run = [&](auto settle_tile) {
    product(
        from.data + first * stride, stride, last - first, side, panel, [&](size_t, size_t) { return sums; },
        [&](size_t row, size_t column, size_t rows, size_t columns) {
          settle_tile(sums, panel, rows, columns, plan, column, to, first + row + first_row);
        });
  };
  with_storage(to.storage, [&](auto kept) {
    if (plan.adds) {
      run(settle<kept(), true>);
    } else {
      run(settle<kept(), false>);
    }
  });
}

template <Storage kFrom, Storage kTo>
void scale_row(const ScalePlan& plan, const Codes& to, const typename Kept<kFrom>::Code* x,
               typename Kept<kTo>::Code* y) {
  const D32 d32;
  const Limits limits(to);
  const int64_t g = curve_at(plan.g, Kept<kFrom>::get(x[0]) >> plan.r_cut);
  if (plan.width == ScalePlan::Width::k64) {
    for (size_t c = 0; c < to.width; ++c) {
      const int64_t v = without_lower_bits(Kept<kFrom>::get(x[c]), plan.x_cut) * g;
      put<kTo>(to, y + c, plan.floors ? v >> plan.shift : round_shift(v, plan.shift));
    }
  } else {
    const V32 all = hn::Set(d32, static_cast<int32_t>(g));
    const bool upper = plan.width == ScalePlan::Width::kUpperHalf;
    const int shift = upper ? plan.shift + plan.lift - 32 : plan.shift;
    const V32 half = hn::Set(d32, shift == 0 || plan.floors ? 0 : 1 << (shift - 1));
    const int64_t cut = int64_t{1} << plan.x_cut;
    const V32 kept = hn::Set(d32, static_cast<int32_t>(-cut)),
              middle = hn::Set(d32, static_cast<int32_t>(cut / 2));
    for (size_t c = 0; c < to.width; c += lanes()) {
      const V32 v = hn::Or(hn::And(Kept<kFrom>::load(x + c), kept), middle);
      const V32 scaled = upper ? upper_half(hn::ShiftLeftSame(v, plan.lift), all) : hn::Mul(v, all);
      Kept<kTo>::store(hn::ShiftRightSame(hn::Add(scaled, half), shift), limits.lowest, limits.largest,
                       y + c);
    }
  }
  y[0] = Kept<kTo>::put(0);
}

/// use(Tag of from, Tag of to) for each pair of storages.
template <typename Use>
HWY_INLINE void with_storages(const Codes& from, const Codes& to, Use&& use) {
  with_storage(from.storage, [&](auto f) { with_storage(to.storage, [&](auto t) { use(f, t); }); });
}

void scale(const ScalePlan& plan, const Codes& from, const Codes& to, size_t first, size_t last) {
  with_storages(from, to, [&](auto f, auto t) {
    for (size_t row = first; row < last; ++row) {
      scale_row<f(), t()>(plan, to, row_of<f()>(from, row), row_of<t()>(to, row));
    }
  });
}

#if NORMGRAFT_BYTE_PRODUCTS
/// y = table[x] for bytes, 64 at once.
NORMGRAFT_BYTES_ATTR void table_of_bytes(const uint8_t* table, const uint8_t* x, uint8_t* y, size_t width) {
  __m512i parts[4];
  for (size_t i = 0; i < 4; ++i) parts[i] = _mm512_loadu_si512(table + 64 * i);
  for (size_t c = 0; c < width; c += 64) {
    const __m512i i = _mm512_loadu_si512(x + c);
    const __m512i low = _mm512_permutex2var_epi8(parts[0], i, parts[1]);
    const __m512i high = _mm512_permutex2var_epi8(parts[2], i, parts[3]);
    _mm512_storeu_si512(y + c, _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(i), high));
  }
}
#endif

inline constexpr size_t kNearKnots = 4097;  ///< 16 KB

template <Storage kFrom, Storage kTo>
void curve_rows(const CurveStepPlan& plan, const Codes& from, const Codes& to, size_t first, size_t last) {
  const size_t width = to.width;
#if NORMGRAFT_BYTE_PRODUCTS
  if constexpr (kFrom == Storage::kBytes && kTo == Storage::kBytes) {
    for (size_t row = first; row < last; ++row) {
      table_of_bytes(plan.bytes.data(), row_of<kFrom>(from, row), row_of<kTo>(to, row), width);
    }
    return;
  }
#endif
  // A gather from a table that stays near beats loads one by one from `values`.
  const bool by_lanes = HWY_TARGET == HWY_AVX3 && kFrom != Storage::kBytes && plan.curve.packs &&
                        plan.curve.knots.size() <= kNearKnots;
  if (by_lanes) {
    const Limits limits(to);
    with_line(plan.curve, [&](const auto& line) {
      for (size_t row = first; row < last; ++row) {
        const auto* x = row_of<kFrom>(from, row);
        auto* y = row_of<kTo>(to, row);
        for (size_t c = 0; c < width; c += lanes()) {
          Kept<kTo>::store(line(Kept<kFrom>::load(x + c)), limits.lowest, limits.largest, y + c);
        }
      }
    });
    return;
  }
  const int16_t* values = plan.values.empty() ? nullptr : plan.values.data() - from.lowest;
  for (size_t row = first; row < last; ++row) {
    const auto* x = row_of<kFrom>(from, row);
    auto* y = row_of<kTo>(to, row);
    for (size_t c = 0; c < width; ++c) {
      const int64_t q = Kept<kFrom>::get(x[c]);
      if (values != nullptr) {
        y[c] = Kept<kTo>::put(values[q]);
      } else {
        put<kTo>(to, y + c, curve_at(plan.curve, q));
      }
    }
  }
}

void curve(const CurveStepPlan& plan, const Codes& from, const Codes& to, size_t first, size_t last) {
  with_storages(from, to, [&](auto f, auto t) { curve_rows<f(), t()>(plan, from, to, first, last); });
}

/// The whole part of the root of v >= 1.
inline int64_t root_of(int64_t v) {
  auto root = static_cast<uint64_t>(std::sqrt(static_cast<double>(v)));
  const auto square = static_cast<uint64_t>(v);
  while (root * root > square) --root;
  while ((root + 1) * (root + 1) <= square) ++root;
  return static_cast<int64_t>(root);
}

template <Storage kFrom, Storage kTo>
void norm_row_exactly(const NormPlan& plan, const Codes& to, const typename Kept<kFrom>::Code* x,
                      typename Kept<kTo>::Code* y) {
  const size_t width = to.width;
  int64_t sum = 0;
  for (size_t c = 0; c < width; ++c) sum += Kept<kFrom>::get(x[c]);
  const auto centred = [&](size_t c) { return static_cast<int64_t>(width) * Kept<kFrom>::get(x[c]) - sum; };
  int64_t squares = plan.eps;
  for (size_t c = 0; c < width; ++c) squares += (centred(c) * centred(c)) >> plan.variance_shift;
  const int64_t reciprocal = (int64_t{1} << 46) / root_of(squares);
  for (size_t c = 0; c < width; ++c) {
    const int64_t v = round_shift(centred(c) * reciprocal, 26 + plan.variance_shift / 2);
    put<kTo>(to, y + c, apply(plan.rescale, v));
  }
}

#if HWY_TARGET != HWY_SCALAR
/// As above in registers; false where the reciprocal is too wide for them. The codes behind the width are 0
/// or are not counted.
template <Storage kFrom, Storage kTo>
bool norm_row(const NormPlan& plan, const Codes& to, const typename Kept<kFrom>::Code* x,
              typename Kept<kTo>::Code* y) {
  const D32 d32;
  const hn::RepartitionToWide<hn::RebindToUnsigned<D32>> u64;
  const size_t width = to.width, n = lanes();
  V32 sums = hn::Zero(d32);
  const auto counted = [&](size_t c) {
    const V32 v = Kept<kFrom>::load(x + c);
    return c + n <= width ? v : hn::IfThenElseZero(hn::FirstN(d32, width - c), v);
  };
  for (size_t c = 0; c < width; c += n) sums = hn::Add(sums, counted(c));
  const V32 sum = hn::SumOfLanes(d32, sums);
  const V32 channels = hn::Set(d32, static_cast<int32_t>(width));
  auto squares = hn::Zero(u64);
  for (size_t c = 0; c < width; c += n) {
    V32 m = hn::Sub(hn::Mul(Kept<kFrom>::load(x + c), channels), sum);
    if (c + n > width) m = hn::IfThenElseZero(hn::FirstN(d32, width - c), m);
    const V32 odd = hn::Shuffle2301(m);
    const auto even_square = hn::BitCast(u64, hn::MulEven(m, m));
    const auto odd_square = hn::BitCast(u64, hn::MulEven(odd, odd));
    squares = hn::Add(squares, hn::Add(hn::ShiftRightSame(even_square, plan.variance_shift),
                                       hn::ShiftRightSame(odd_square, plan.variance_shift)));
  }
  const auto total = static_cast<int64_t>(hn::GetLane(hn::SumOfLanes(u64, squares)));
  const int64_t reciprocal = (int64_t{1} << 46) / root_of(total + plan.eps);
  if (reciprocal > INT32_MAX) return false;
  const int shift = 26 + plan.variance_shift / 2;
  const V32 times = hn::Set(d32, static_cast<int32_t>(reciprocal));
  const Limits limits(to);
  const Unit change(plan.requantise, 0);
  for (size_t c = 0; c < width; c += n) {
    const V32 m = hn::Sub(hn::Mul(Kept<kFrom>::load(x + c), channels), sum);
    const V32 v = rounded_product(m, times, shift);
    Kept<kTo>::store(change(v), limits.lowest, limits.largest, y + c);
  }
  return true;
}
#else
template <Storage kFrom, Storage kTo>
bool norm_row(const NormPlan&, const Codes&, const typename Kept<kFrom>::Code*, typename Kept<kTo>::Code*) {
  return false;
}
#endif

void norm(const NormPlan& plan, const Codes& from, const Codes& to, size_t first, size_t last) {
  with_storages(from, to, [&](auto f, auto t) {
    for (size_t row = first; row < last; ++row) {
      const auto* x = row_of<f()>(from, row);
      auto* y = row_of<t()>(to, row);
      if (!plan.narrow || !norm_row<f(), t()>(plan, to, x, y)) norm_row_exactly<f(), t()>(plan, to, x, y);
    }
  });
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace normgraft
HWY_AFTER_NAMESPACE();

#endif
