// Codes in and out of registers, changes of unit and curves, compiled once for each SIMD target: no include
// guard but Highway's.
#if defined(NORMGRAFT_ENGINE_CODES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMGRAFT_ENGINE_CODES_INL_H
#undef NORMGRAFT_ENGINE_CODES_INL_H
#else
#define NORMGRAFT_ENGINE_CODES_INL_H
#endif

#include "engine_product-inl.h"
#include "normgraft/integer/arithmetic.h"

HWY_BEFORE_NAMESPACE();
namespace normgraft {
namespace HWY_NAMESPACE {

/// Codes of one storage: as a register of 32 bits and one by one.
template <Storage kStorage>
struct Kept;

template <>
struct Kept<Storage::kBytes> {
  using Code = uint8_t;
  static HWY_INLINE V32 load(const Code* from) {
    const hn::Rebind<uint8_t, D32> narrow;
    return hn::Sub(hn::PromoteTo(D32(), hn::LoadU(narrow, from)), hn::Set(D32(), 128));
  }
  /// What a byte cannot hold leaves as its nearest.
  static HWY_INLINE void store(V32 v, V32, V32, Code* to) {
    const hn::Rebind<int8_t, D32> narrow;
    const hn::Rebind<uint8_t, D32> unsigned_narrow;
    const auto codes = hn::BitCast(unsigned_narrow, hn::DemoteTo(narrow, v));
    hn::StoreU(hn::Xor(codes, hn::Set(unsigned_narrow, uint8_t{0x80})), unsigned_narrow, to);
  }
  static int64_t get(Code code) { return int64_t{code} - 128; }
  static Code put(int64_t v) { return static_cast<Code>(v + 128); }
};

template <>
struct Kept<Storage::kShorts> {
  using Code = int16_t;
  static HWY_INLINE V32 load(const Code* from) {
    return hn::PromoteTo(D32(), hn::LoadU(hn::Rebind<int16_t, D32>(), from));
  }
  static HWY_INLINE void store(V32 v, V32 lowest, V32 largest, Code* to) {
    const hn::Rebind<int16_t, D32> narrow;
    hn::StoreU(hn::DemoteTo(narrow, hn::Min(hn::Max(v, lowest), largest)), narrow, to);
  }
  static int64_t get(Code code) { return code; }
  static Code put(int64_t v) { return static_cast<Code>(v); }
};

template <>
struct Kept<Storage::kInts> {
  using Code = int32_t;
  static HWY_INLINE V32 load(const Code* from) { return hn::LoadU(D32(), from); }
  static HWY_INLINE void store(V32 v, V32, V32, Code* to) { hn::StoreU(v, D32(), to); }
  static int64_t get(Code code) { return code; }
  static Code put(int64_t v) { return static_cast<Code>(v); }
};

template <Storage kStorage>
using Tag = std::integral_constant<Storage, kStorage>;

/// use(Tag<storage>()).
template <typename Use>
HWY_INLINE void with_storage(Storage storage, Use&& use) {
  switch (storage) {
    case Storage::kBytes:
      return use(Tag<Storage::kBytes>());
    case Storage::kShorts:
      return use(Tag<Storage::kShorts>());
    case Storage::kInts:
      return use(Tag<Storage::kInts>());
  }
}

template <Storage kStorage>
typename Kept<kStorage>::Code* row_of(const Codes& codes, size_t row) {
  return reinterpret_cast<typename Kept<kStorage>::Code*>(codes.data) + row * codes.stride;
}

/// One code, clamped to what its buffer can hold.
template <Storage kStorage>
HWY_INLINE void put(const Codes& to, typename Kept<kStorage>::Code* code, int64_t v) {
  *code = Kept<kStorage>::put(std::clamp(v, int64_t{to.lowest}, int64_t{to.largest}));
}

/// The limits of a buffer in all lanes.
struct Limits {
  explicit Limits(const Codes& to) : lowest(hn::Set(D32(), to.lowest)), largest(hn::Set(D32(), to.largest)) {}
  V32 lowest, largest;
};

#if HWY_TARGET == HWY_SCALAR
HWY_INLINE V32 upper_half(V32 a, V32 b) {
  return hn::Set(D32(), static_cast<int32_t>((int64_t{hn::GetLane(a)} * hn::GetLane(b)) >> 32));
}
HWY_INLINE V32 rounded_product(V32 a, V32 b, int shift) {
  return hn::Set(D32(), static_cast<int32_t>(round_shift(int64_t{hn::GetLane(a)} * hn::GetLane(b), shift)));
}
#else
/// The upper halves of the products of 32 bits.
HWY_INLINE V32 upper_half(V32 a, V32 b) {
  const D32 d32;
  const auto even = hn::BitCast(d32, hn::MulEven(a, b));
  const auto odd = hn::BitCast(d32, hn::MulEven(hn::Shuffle2301(a), hn::Shuffle2301(b)));
  return hn::OddEven(odd, hn::Shuffle2301(even));
}

/// round_shift(a * b, shift) where it fits 32 bits; shift is 0 to 62.
HWY_INLINE V32 rounded_product(V32 a, V32 b, int shift) {
  const hn::RepartitionToWide<D32> d64;
  const auto half = hn::Set(d64, shift == 0 ? 0 : int64_t{1} << (shift - 1));
  const auto of = [&](V32 x) {
    return hn::BitCast(D32(), hn::ShiftRightSame(hn::Add(hn::MulEven(x, b), half), shift));
  };
  return hn::OddEven(hn::Shuffle2301(of(hn::Shuffle2301(a))), of(a));
}
#endif

/// Requantise in registers, for the outputs from `column` on.
struct Unit {
  Unit(const Requantise& r, size_t column)
      : multiplier(hn::LoadU(D32(), r.multiplier.data() + column)),
        rounding(hn::LoadU(D32(), r.rounding.data() + column)),
        shift(hn::LoadU(D32(), r.shift.data() + column)),
        zero(hn::Set(D32(), r.zero)),
        lift(r.lift) {}

  HWY_INLINE V32 operator()(V32 v) const {
    const V32 upper = upper_half(hn::ShiftLeftSame(v, lift), multiplier);
    return hn::Add(hn::Shr(hn::Add(upper, rounding), shift), zero);
  }

  V32 multiplier, rounding, shift, zero;
  int lift;
};

/// The value at any q, in 64 bits.
inline int64_t curve_at(const CurvePlan& curve, int64_t q) {
  const auto intervals = static_cast<int64_t>(curve.knots.size()) - 1;
  const int64_t low = curve.low;
  const int64_t d = std::clamp(q, low, low + (intervals << curve.shift)) - low;
  const int64_t i = std::min(d >> curve.shift, intervals - 1);
  const int64_t knot = curve.knots[static_cast<size_t>(i)];
  const int64_t rise = curve.knots[static_cast<size_t>(i) + 1] - knot;
  return round_shift(knot * (int64_t{1} << curve.shift) + rise * (d - (i << curve.shift)),
                     curve.shift + curve.fraction);
}

#if HWY_TARGET == HWY_AVX3
/// Pairs of a curve, held in kRegisters registers of 16; read from memory with none.
template <size_t kRegisters>
struct Pairs {
  explicit Pairs(const int32_t* pairs) {
    for (size_t i = 0; i < kRegisters; ++i) table[i] = _mm512_loadu_si512(pairs + 16 * i);
  }
  HWY_INLINE V32 operator()(V32 i) const {
    if constexpr (kRegisters == 1) {
      return V32{_mm512_permutexvar_epi32(i.raw, table[0])};
    } else {
      return V32{among<0, kRegisters>(i.raw)};
    }
  }
  template <size_t kFirst, size_t kCount>
  HWY_INLINE __m512i among(__m512i i) const {
    if constexpr (kCount == 2) {
      return _mm512_permutex2var_epi32(table[kFirst], i, table[kFirst + 1]);
    } else {
      const __mmask16 upper = _mm512_test_epi32_mask(i, _mm512_set1_epi32(8 * kCount));
      return _mm512_mask_mov_epi32(among<kFirst, kCount / 2>(i), upper,
                                   among<kFirst + kCount / 2, kCount / 2>(i));
    }
  }
  __m512i table[kRegisters];
};
#else
template <size_t kRegisters>
struct Pairs;
#endif

template <>
struct Pairs<0> {
  explicit Pairs(const int32_t* pairs) : table(pairs) {}
  HWY_INLINE V32 operator()(V32 i) const { return hn::GatherIndex(D32(), table, i); }
  const int32_t* table;
};

/// A curve that packs, in registers.
template <typename Table>
struct Line {
  explicit Line(const CurvePlan& curve)
      : table(curve.pairs.data()),
        low(hn::Set(D32(), curve.low)),
        high(hn::Set(D32(), curve.high)),
        last(hn::Set(D32(), static_cast<int32_t>(curve.knots.size()) - 2)),
        half(hn::Set(D32(), curve.shift + curve.fraction == 0 ? 0 : 1 << (curve.shift + curve.fraction - 1))),
        shift(curve.shift),
        all_bits(curve.shift + curve.fraction) {}

  HWY_INLINE V32 operator()(V32 q) const { return behind_low(hn::Sub(hn::Min(hn::Max(q, low), high), low)); }

  /// At low + d, 0 <= d <= high - low.
  HWY_INLINE V32 behind_low(V32 d) const {
    const V32 i = hn::Min(hn::ShiftRightSame(d, shift), last);
    const V32 f = hn::Sub(d, hn::ShiftLeftSame(i, shift));
    const V32 pair = table(i);
    const V32 rise = hn::ShiftRight<16>(hn::ShiftLeft<16>(pair));
    const V32 knot = hn::ShiftLeftSame(hn::ShiftRight<16>(pair), shift);
    return hn::ShiftRightSame(hn::Add(hn::Add(knot, hn::Mul(rise, f)), half), all_bits);
  }

  Table table;
  V32 low, high, last, half;
  int shift, all_bits;
};

/// use(Line) with the table that is best for a curve that packs.
template <typename Use>
HWY_INLINE void with_line(const CurvePlan& curve, Use&& use) {
#if HWY_TARGET == HWY_AVX3
  const size_t intervals = curve.knots.size() - 1;
  if (intervals <= 16) return use(Line<Pairs<1>>(curve));
  if (intervals <= 32) return use(Line<Pairs<2>>(curve));
  if (intervals <= 64) return use(Line<Pairs<4>>(curve));
  if (intervals <= 128) return use(Line<Pairs<8>>(curve));
#endif
  use(Line<Pairs<0>>(curve));
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace normgraft
HWY_AFTER_NAMESPACE();

#endif
