#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "normgraft/core/aligned.h"
#include "normgraft/integer/program.h"

namespace normgraft {

template <typename T>
using AlignedVector = std::vector<T, CacheAligned<T>>;

/// How codes lie in memory. Bytes hold code + 128: what products of bytes want as their unsigned side.
enum class Storage : unsigned char { kBytes, kShorts, kInts };

/// Rows of codes. Up to the stride, what is behind a row's last code may be read and written.
struct Codes {
  std::byte* data = nullptr;
  size_t stride = 0;  ///< codes from one row to the next, a multiple of kRowCodes
  size_t width = 0;   ///< codes of a row that count
  Storage storage = Storage::kShorts;
  int32_t lowest = 0, largest = 0;
};

inline constexpr size_t kRowCodes = 64;
inline constexpr size_t kPanel = 4;  ///< SIMD registers of outputs that a product computes at once

/// One side of a product, laid out for it: panels of kPanel registers of outputs, the last one perhaps fewer;
/// in a panel, group after group of inputs; in a group, output by output, four bytes or two shorts.
struct Packed {
  Storage storage = Storage::kShorts;  ///< kBytes or kShorts, as that of the other side; signed bytes
  bool fused = false;                  ///< EngineKernels::bytes
  size_t groups = 0;
  size_t outputs = 0;  ///< a multiple of the SIMD lanes
  AlignedVector<std::byte> data;
  AlignedVector<int32_t> start;  ///< [outputs] what each sum starts at
};

/// v -> round_shift(v * multiplier, shift) + zero in 32 bits, as the upper half of a product:
/// ((v << lift) * multiplier >> 32) + rounding >> shift. Exact, as a shift of at least 33 leaves none of the
/// lower half but what the rounding down drops.
struct Requantise {
  bool fast = false;  ///< whether that holds for what v can be; else `exact_*`
  int lift = 0;
  int32_t zero = 0;
  AlignedVector<int32_t> multiplier, rounding, shift;  ///< padded to the SIMD lanes
  AlignedVector<int32_t> exact_multiplier, exact_shift;
};

struct LinearPlan {
  Packed weight;
  Requantise requantise;
  bool adds = false;
};

/// A curve of numbers of 32 bits.
struct CurvePlan {
  std::vector<int32_t> knots;
  int32_t low = 0;
  int shift = 0, fraction = 0;
  int32_t high = 0;    ///< low + (intervals << shift)
  bool packs = false;  ///< whether `pairs` holds it, and d = q - low fits 32 bits
  /// knot << 16 | (difference to the next & 0xffff), of 16 bits each; padded to at least 128.
  AlignedVector<int32_t> pairs;
};

struct CurveStepPlan {
  CurvePlan curve;
  /// What leaves, clamped, for each code that can come: 256 of 8 bits, 65536 of 16; empty for wider ones.
  AlignedVector<int16_t> values;
  AlignedVector<uint8_t> bytes;  ///< 256 of `values` as kBytes keeps them, where both sides are bytes
};

struct ScalePlan {
  CurvePlan g;
  int shift = 0, r_cut = 0, x_cut = 0;
  bool floors = false;
  enum class Width : unsigned char { k32, kUpperHalf, k64 } width = Width::k64;
  int lift = 0;  ///< of kUpperHalf
};

struct NormPlan {
  int64_t eps = 1;
  int variance_shift = 0;
  Rescale rescale;
  Requantise requantise;  ///< the rescale, for all lanes
  bool narrow = false;    ///< whether D x - sum fits 32 bits
};

struct AttentionPlan {
  size_t heads = 0, per_head = 0, rows = 0;
  bool fused = false;                 ///< EngineKernels::bytes
  Storage values = Storage::kShorts;  ///< how e and the values are multiplied
  CurvePlan exp, reciprocal;
  Rescale rescale;
  Requantise requantise;  ///< the rescale, for all lanes
};

/// The loops of IntegerEngine for one SIMD target. They compute rows first to last (not included).
struct EngineKernels {
  size_t lanes = 0;    ///< of 32 bits
  bool bytes = false;  ///< whether codes of 8 bits lie as kBytes, and products add in one
  void (*linear)(const LinearPlan&, const Codes& from, const Codes& to, size_t first_row, size_t first,
                 size_t last) = nullptr;
  void (*scale)(const ScalePlan&, const Codes& from, const Codes& to, size_t first, size_t last) = nullptr;
  void (*curve)(const CurveStepPlan&, const Codes& from, const Codes& to, size_t first,
                size_t last) = nullptr;
  void (*norm)(const NormPlan&, const Codes& from, const Codes& to, size_t first, size_t last) = nullptr;
  void (*attend)(const AttentionPlan&, const Codes& from, const Codes& to, size_t head, size_t first,
                 size_t last) = nullptr;
};

/// The loops for the best target that this machine has; `bytes`: products of bytes too, where it has them.
const EngineKernels& engine_kernels(bool bytes);

}  // namespace normgraft
