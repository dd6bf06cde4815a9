#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "normgraft/core/files.h"
#include "normgraft/data/preprocess.h"

namespace normgraft {

// A network as integers compute it: a list of steps on buffers of whole numbers. There is no float in it and
// no division by data. docs/integer.md specifies every step bit by bit; what is said here is its short form.
//
// round_shift(v, s) is floor((v + 2^(s-1)) / 2^s), v itself for s = 0. clamp(v) holds v within what the
// buffer that takes it can hold. No step reads the buffer that it writes, but a LinearStep that adds and a
// FirstSpreadStep, which replaces one channel; both need rows that were written before.

/// A constant of a network. Values are kept in the narrowest of the types that `bits` names.
struct IntegerTensor {
  std::vector<int64_t> shape{};
  int bits = 8;  ///< 8, 16 or 32, two's complement
  std::vector<int8_t> values8{};
  std::vector<int16_t> values16{};
  std::vector<int32_t> values32{};

  int64_t size() const;             ///< the product of `shape`
  int64_t at(int64_t index) const;  ///< row-major
};

/// Whole numbers between steps: `rows` tokens (or patches) of `width` each, row-major.
struct IntegerBuffer {
  std::string name;
  int64_t rows = 0, width = 0;
  int bits = 8;  ///< 8, 16 or 32, two's complement
  /// For a reader: the real number that the code q stands for is step * (q - zero). Where channel 0 has a
  /// step of its own (r), it is told_step and told_zero.
  double step = 0, told_step = 0;
  int64_t zero = 0, told_zero = 0;
};

/// v -> round_shift(v * multiplier, shift): a change of unit. Computed in 64 bits.
struct Rescale {
  int32_t multiplier = 0;  ///< any sign; positive ones are at least 2^30 where they can be
  int shift = 0;           ///< 0 to 62
};

/// A function of one number, straight between knots:
/// d = clamp(q, low, low + (intervals << shift)) - low; i = min(d >> shift, intervals - 1); f = d - (i <<
/// shift); value = round_shift((knots[i] << shift) + (knots[i + 1] - knots[i]) * f, shift + fraction).
struct Curve {
  std::string knots{};  ///< name of a tensor of 16 or 32 bits [intervals + 1], 1 to 65536 intervals
  int32_t low = 0;
  int shift = 0;     ///< 0 to 16
  int fraction = 0;  ///< bits of the knots behind the point, 0 to 15
};

/// Where a buffer's numbers are in the list of buffers.
using BufferIndex = int32_t;

/// Cuts a picture [3, height, width] of codes pixel - 128 into patches: row n of `to` holds the pixels of
/// patch n, colour by colour, row by row. What is left of the picture to the right and below is not seen.
struct PatchStep {
  BufferIndex to = 0;
  int64_t height = 0, width = 0;  ///< of the picture
  int64_t patch_height = 0, patch_width = 0;
};

/// to = tensor, of the buffer's shape.
struct FillStep {
  BufferIndex to = 0;
  std::string tensor{};
};

/// `from` is of 8 or 16 bits. For output o of row n: v = sum over i of weight[o, i] * from[n, i] + bias[o] in
/// 32 bits, then v = round_shift(v * multiplier[o], shift[o]) + zero in 64 bits, and to[n + first_row, o] =
/// clamp(v), or clamp(to[n + first_row, o] + v) where it adds.
struct LinearStep {
  BufferIndex from = 0, to = 0;
  std::string weight{};      ///< 8 bits [out, in]
  std::string bias{};        ///< 32 bits [out]
  std::string multiplier{};  ///< 32 bits [out]
  std::string shift{};       ///< 8 bits [out]
  int32_t zero = 0;
  bool adds = false;
  int64_t rows = 0;       ///< of `from` that are read, from row 0 on
  int64_t first_row = 0;  ///< of `to`
};

/// y = x g(r), the norm site of a graft whose channel 0 is r: for each row, G = curve(from[n, 0] >> r_cut)
/// once, then to[n, c] = clamp(round_shift(x * G, shift)) for c > 0, and to[n, 0] = 0. x is from[n, c], its
/// lower x_cut bits replaced by 2^(x_cut - 1), which is half of what they can hold.
struct ScaleStep {
  BufferIndex from = 0, to = 0;
  Curve g{};
  int shift = 0;
  int64_t rows = 0;          ///< the first rows alone are computed
  int r_cut = 0, x_cut = 0;  ///< less than the bits of `from`
  bool floors = false;       ///< (x * G) >> shift instead: what reads a code takes it for half a step more

  /// Whether it has what version 1 of the file has no field for.
  bool cuts() const { return r_cut > 0 || x_cut > 0 || floors; }
};

/// to[n, c] = clamp(curve(from[n, c])): f(x) at a norm site, or an activation.
struct CurveStep {
  BufferIndex from = 0, to = 0;
  Curve f{};
  int64_t rows = 0;  ///< the first rows alone are computed
};

/// LayerNorm, for networks that keep it. With D channels, sum = sum of x, m_c = D x_c - sum (D times x less
/// its mean), V = eps + sum of (m_c^2 >> variance_shift), root = the whole part of the root of V, all in 64
/// bits; to[n, c] = clamp(rescale(round_shift(m_c * (2^46 / root), 26 + variance_shift / 2))), / being the
/// whole part. What is rescaled is y / sqrt(D) in 20 fractional bits. (I-BERT, arXiv 2101.01321, has integer
/// LayerNorms.)
struct NormStep {
  BufferIndex from = 0, to = 0;
  int64_t eps = 1;         ///< at least 1
  int variance_shift = 0;  ///< even, 0 to 16
  Rescale rescale{};
  int64_t rows = 0;  ///< the first rows alone are computed
};

/// r at the first site from K projections p of the embedded tokens: S = max(1, number[n] + sum over k of
/// scale[k] * p[n, k]^2) in 64 bits; L = log2 of S in 16 fractional bits, by its leading one and `log2`, a
/// curve over the 16 bits behind it (low = 0, intervals << shift = 65536); to[n, 0] = clamp(round_shift(L *
/// rescale) + zero).
struct FirstSpreadStep {
  BufferIndex from = 0, to = 0;
  std::string scale{};   ///< 32 bits [K]
  std::string number{};  ///< 32 bits [rows], shifted left by number_shift before it is added
  int number_shift = 0;
  Curve log2{};  ///< from 0 to 65535 to 16 fractional bits
  Rescale rescale{};
  int32_t zero = 0;
};

/// Softmax attention of qkv codes [rows, 3 D] of 8 bits, laid out (query, key, value) x heads x D / heads,
/// head by head and row by row: s_j = q . k_j (32 bits); e_j = exp(max s - s_j) by the curve, whose values
/// are not negative and which takes what its range does not hold as its end; E = sum e_j; a_c = sum e_j v_jc
/// (32 bits); with b the bit of E's leading one, f = floor(E * 2^(16 - b)) - 2^16 and R = reciprocal(f);
/// to[n, c] = clamp(rescale(round_shift(a_c * R, b))) in 64 bits.
struct AttentionStep {
  BufferIndex from = 0, to = 0;
  int64_t heads = 0;
  Curve exp{};         ///< at least 1 at 0
  int exp_bits = 8;    ///< e_j is 0 to 2^exp_bits - 1; 8 or 15
  Curve reciprocal{};  ///< of the fraction of 1 <= m < 2 to 2^15 / m: low = 0, intervals << shift = 65536
  Rescale rescale{};
};

using IntegerStep = std::variant<PatchStep, FillStep, LinearStep, ScaleStep, CurveStep, NormStep,
                                 FirstSpreadStep, AttentionStep>;

/// A step, and the place of the network that it stands for: "blocks.3.norm2", "blocks.3.mlp.fc1".
struct PlacedStep {
  std::string place;
  IntegerStep step;
};

/// A network of integers. Steps run in their order; a buffer that no step has written yet is not read.
struct IntegerProgram {
  std::string architecture;              ///< of the network that it was made from
  std::vector<std::string> class_names;  ///< one for each class, or none
  Preprocessing preprocessing;           ///< up to pixels of 0 to 255
  std::vector<IntegerBuffer> buffers;
  std::vector<PlacedStep> steps;
  std::map<std::string, IntegerTensor> tensors;
  BufferIndex logits = 0;          ///< 32 bits [1, classes], all of one step and no zero
  std::vector<std::string> sites;  ///< the norm sites among the places
  Json origin = Json::object();    ///< for a reader: what it was made from, functions, widths, stated errors
};

/// Throws InputError naming the step, its place and the fault: buffers or tensors that are missing, of the
/// wrong shape or width, numbers out of their ranges, a buffer that is read before it is written. What it
/// lets pass can be run on any picture without reading or writing out of bounds and without leaving 64 bits.
void check(const IntegerProgram& program);

/// How far a step's accumulators can reach, whatever the picture.
struct AccumulatorBound {
  std::string place;
  std::string sum;      ///< "output", "scores", "exponentials", "values"; in 64 bits "squares"
  int bits = 32;        ///< what holds the sum: 32 or 64
  int64_t row = 0;      ///< the output whose bound is the largest
  int64_t largest = 0;  ///< magnitude, after each addition in any order
};

/// The bound of every sum of every step, from its weights and what its input can hold: no picture can make
/// one overflow. Throws InputError naming the first place, row and bound that do not fit 2^31 - 1. The
/// program is checked (check).
std::vector<AccumulatorBound> prove_no_overflow(const IntegerProgram& program);

}  // namespace normgraft
