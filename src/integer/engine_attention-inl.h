// Attention head by head, compiled once for each SIMD target: no include guard but Highway's.
#if defined(NORMGRAFT_ENGINE_ATTENTION_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMGRAFT_ENGINE_ATTENTION_INL_H
#undef NORMGRAFT_ENGINE_ATTENTION_INL_H
#else
#define NORMGRAFT_ENGINE_ATTENTION_INL_H
#endif

#include "engine_codes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normgraft {
namespace HWY_NAMESPACE {

inline size_t up_to_multiple(size_t n, size_t of) {
  return (n + of - 1) / of * of;
}

inline size_t codes_in_group(Storage storage) {
  return storage == Storage::kBytes ? 4 : 2;
}

/// One side of a product that is made as the program runs, laid out like Packed.
struct Packing {
  Packing(Storage side, size_t inputs, size_t outputs)
      : storage(side),
        groups((inputs + codes_in_group(side) - 1) / codes_in_group(side)),
        columns(up_to_multiple(outputs, lanes())),
        data(groups * columns),
        start(columns) {}

  /// Where the group of an output is.
  size_t at(size_t group, size_t column) const {
    const size_t panel = kPanel * lanes(), first = column / panel * panel;
    return first * groups + group * std::min(panel, columns - first) + column - first;
  }

  Side side(bool fused) const {
    return {reinterpret_cast<const std::byte*>(data.data()), storage, fused, groups, columns, start.data()};
  }

  Storage storage;
  size_t groups, columns;
  AlignedVector<int32_t> data, start;
};

/// Keys as outputs: scores are products of a query with each.
template <Storage kFrom>
Packing pack_keys(const Codes& from, size_t rows, size_t column, size_t per_head) {
  Packing keys(kFrom, per_head, rows);
  const bool bytes = kFrom == Storage::kBytes;
  const size_t in_group = codes_in_group(kFrom), rest = per_head % in_group;
  const uint32_t last = rest == 0 ? ~0U : (1U << (rest * 32 / in_group)) - 1;
  for (size_t j = 0; j < rows; ++j) {
    const auto* key = row_of<kFrom>(from, j) + column;
    for (size_t g = 0; g < keys.groups; ++g) {
      uint32_t group;
      std::memcpy(&group, key + g * in_group, sizeof(group));
      if (bytes) group ^= 0x80808080U;
      if (g + 1 == keys.groups) group &= last;
      keys.data[keys.at(g, j)] = static_cast<int32_t>(group);
    }
    if (!bytes) continue;
    int32_t sum = 0;
    for (size_t c = 0; c < per_head; ++c) sum += static_cast<int32_t>(Kept<kFrom>::get(key[c]));
    keys.start[j] = static_cast<int32_t>(-128 * static_cast<uint32_t>(sum));
  }
  return keys;
}

/// Channels as outputs: their values are summed over rows, e by e.
template <Storage kFrom>
Packing pack_values(const Codes& from, Storage storage, size_t rows, size_t column, size_t per_head) {
  const D32 d32;
  Packing values(storage, rows, per_head);
  const auto in_group = static_cast<int>(codes_in_group(storage));
  const int bits = 32 / in_group;
  const V32 mask = hn::Set(d32, storage == Storage::kBytes ? 0xff : 0xffff);
  for (size_t g = 0; g < values.groups; ++g) {
    for (size_t c = 0; c < values.columns; c += lanes()) {
      V32 group = hn::Zero(d32);
      for (int k = 0; k < in_group; ++k) {
        const size_t row = g * static_cast<size_t>(in_group) + static_cast<size_t>(k);
        if (row >= rows) break;
        const V32 code = hn::And(Kept<kFrom>::load(row_of<kFrom>(from, row) + column + c), mask);
        group = hn::Or(group, hn::ShiftLeftSame(code, bits * k));
      }
      hn::StoreU(group, d32, values.data.data() + values.at(g, c));
    }
  }
  return values;
}

/// Scores to e, a row: returns their sum. What is behind `rows` becomes 0.
template <Storage kE, typename Exp>
HWY_INLINE int64_t exponentials(const int32_t* scores, size_t rows, const Exp& exp, std::byte* out) {
  const D32 d32;
  const size_t n = lanes(), whole = rows / n * n;
  V32 most = hn::Set(d32, INT32_MIN);
  for (size_t j = 0; j < whole; j += n) most = hn::Max(most, hn::LoadU(d32, scores + j));
  const auto rest = hn::FirstN(d32, rows - whole);
  if (whole < rows) most = hn::Max(most, hn::IfThenElse(rest, hn::LoadU(d32, scores + whole), most));
  const V32 largest = hn::MaxOfLanes(d32, most);
  V32 sum = hn::Zero(d32);
  const auto keep = [&](size_t j, V32 e) {
    sum = hn::Add(sum, e);
    if constexpr (kE == Storage::kBytes) {
      hn::StoreU(hn::DemoteTo(hn::Rebind<uint8_t, D32>(), e), hn::Rebind<uint8_t, D32>(),
                 reinterpret_cast<uint8_t*>(out) + j);
    } else {
      hn::StoreU(hn::DemoteTo(hn::Rebind<int16_t, D32>(), e), hn::Rebind<int16_t, D32>(),
                 reinterpret_cast<int16_t*>(out) + j);
    }
  };
  const auto e_of = [&](size_t j) { return exp(hn::Sub(largest, hn::LoadU(d32, scores + j))); };
  for (size_t j = 0; j < whole; j += n) keep(j, e_of(j));
  if (whole < rows) keep(whole, hn::IfThenElseZero(rest, e_of(whole)));
  return hn::GetLane(hn::SumOfLanes(d32, sum));
}

/// A curve that does not pack, number by number.
struct PlainLine {
  HWY_INLINE V32 operator()(V32 q) const {
    alignas(64) int32_t each[16];
    hn::StoreU(q, D32(), each);
    for (size_t i = 0; i < lanes(); ++i) each[i] = static_cast<int32_t>(curve_at(curve, each[i]));
    return hn::LoadU(D32(), each);
  }
  const CurvePlan& curve;
};

/// Sums a_c of one row of a head to codes.
template <Storage kTo>
void mix(const AttentionPlan& plan, const int32_t* sums, int64_t total, const Codes& to,
         typename Kept<kTo>::Code* codes) {
  const D32 d32;
  const int b = leading_one(total);
  const int64_t reciprocal = curve_at(plan.reciprocal, fraction_behind_leading_one(total));
  if (!plan.requantise.fast) {
    for (size_t c = 0; c < plan.per_head; ++c) {
      put<kTo>(to, codes + c, apply(plan.rescale, round_shift(sums[c] * reciprocal, b)));
    }
    return;
  }
  const V32 times = hn::Set(d32, static_cast<int32_t>(reciprocal));
  const Unit change(plan.requantise, 0);
  const Limits limits(to);
  const auto codes_of = [&](size_t c, typename Kept<kTo>::Code* out) {
    const V32 v = rounded_product(hn::LoadU(d32, sums + c), times, b);
    Kept<kTo>::store(change(v), limits.lowest, limits.largest, out);
  };
  size_t c = 0;
  for (; c + lanes() <= plan.per_head; c += lanes()) codes_of(c, codes + c);
  if (c == plan.per_head) return;
  typename Kept<kTo>::Code rest[16];  // the next head's codes are not touched
  codes_of(c, rest);
  std::copy(rest, rest + (plan.per_head - c), codes + c);
}

template <Storage kFrom, Storage kE>
void attend_head(const AttentionPlan& plan, const Codes& from, const Codes& to, size_t head, size_t first,
                 size_t last) {
  const size_t rows = plan.rows, per_head = plan.per_head, width = plan.heads * per_head;
  const Packing keys = pack_keys<kFrom>(from, rows, width + head * per_head, per_head);
  const Packing values = pack_values<kFrom>(from, kE, rows, 2 * width + head * per_head, per_head);
  const size_t e_size = kE == Storage::kBytes ? sizeof(uint8_t) : sizeof(int16_t);
  const size_t code_size = sizeof(typename Kept<kFrom>::Code);
  AlignedVector<int32_t> scores(kTileRows * keys.columns), sums(kTileRows * values.columns);
  // A product reads whole groups of 4 bytes: behind an odd last row, one number more, which meets weights of
  // 0.
  AlignedVector<std::byte> e(kTileRows * keys.columns * e_size + sizeof(int32_t));
  const auto nothing = [](size_t, size_t, size_t, size_t) {};
  const auto tile = [&](size_t row, const auto& exp) {
    const size_t some = std::min(kTileRows, last - row);
    const auto* queries = reinterpret_cast<const std::byte*>(row_of<kFrom>(from, row) + head * per_head);
    product(
        queries, from.stride * code_size, some, keys.side(plan.fused), keys.columns,
        [&](size_t, size_t column) { return scores.data() + column; }, nothing);
    int64_t totals[kTileRows];
    for (size_t r = 0; r < some; ++r) {
      totals[r] =
          exponentials<kE>(scores.data() + r * keys.columns, rows, exp, e.data() + r * keys.columns * e_size);
    }
    product(
        e.data(), keys.columns * e_size, some, values.side(plan.fused), values.columns,
        [&](size_t, size_t column) { return sums.data() + column; }, nothing);
    with_storage(to.storage, [&](auto kept) {
      for (size_t r = 0; r < some; ++r) {
        mix<kept()>(plan, sums.data() + r * values.columns, totals[r], to,
                    row_of<kept()>(to, row + r) + head * per_head);
      }
    });
  };
  const auto all = [&](const auto& exp) {
    for (size_t row = first; row < last; row += kTileRows) tile(row, exp);
  };
  if (plan.exp.packs) {
    with_line(plan.exp, all);
  } else {
    all(PlainLine{plan.exp});
  }
}

void attend(const AttentionPlan& plan, const Codes& from, const Codes& to, size_t head, size_t first,
            size_t last) {
#if NORMGRAFT_BYTE_PRODUCTS
  if (from.storage == Storage::kBytes) {
    const auto run = plan.values == Storage::kBytes ? attend_head<Storage::kBytes, Storage::kBytes>
                                                    : attend_head<Storage::kBytes, Storage::kShorts>;
    return run(plan, from, to, head, first, last);
  }
#endif
  attend_head<Storage::kShorts, Storage::kShorts>(plan, from, to, head, first, last);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace normgraft
HWY_AFTER_NAMESPACE();

#endif
