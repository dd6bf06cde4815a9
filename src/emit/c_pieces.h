#pragma once

#include <string_view>

namespace normgraft::c {

// The arithmetic of a network of integers in C99. docs/integer.md says bit by bit what each step computes.
// @from@, @to@, @knots@ and the like stand for 8, 16 or 32. A function computes one row.

inline constexpr std::string_view kRoundShift = R"c(
/* v / 2^s, rounded down. C leaves the right shift of a negative number to the compiler, so none is done. */
static int64_t floor_shift(int64_t v, int s) {
  return v < 0 ? ~(~v >> s) : v >> s;
}

/* v / 2^s, rounded, halves up. */
static int64_t round_shift(int64_t v, int s) {
  return floor_shift(v + (((int64_t)1 << s) >> 1), s);
}
)c";

inline constexpr std::string_view kClamp = R"c(
static int@to@_t clamp_@to@(int64_t v) {
  return (int@to@_t)(v < INT@to@_MIN ? INT@to@_MIN : v > INT@to@_MAX ? INT@to@_MAX : v);
}
)c";

inline constexpr std::string_view kLeadingOne = R"c(
/* The place of the leading one of a number that is not 0. */
static int leading_one(uint64_t v) {
  int place = 0;
  for (int half = 32; half > 0; half /= 2) {
    if (v >> half != 0) {
      v >>= half;
      place += half;
    }
  }
  return place;
}

/* The 16 bits behind the leading one. */
static int32_t fraction_of(uint64_t v, int leading) {
  return (int32_t)((leading >= 16 ? v >> (leading - 16) : v << (16 - leading)) - 65536);
}
)c";

inline constexpr std::string_view kCurveAt = R"c(
/* A function of one number, straight between knots that are 2^shift apart; the ends go on beyond. */
typedef struct {
  const int@knots@_t *knots;
  int32_t low, intervals;
  int shift, fraction; /* fraction: bits of the knots behind the point */
} curve_at_@knots@_of;

static int32_t curve_at_@knots@(const curve_at_@knots@_of *p, int64_t q) {
  const int64_t length = (int64_t)p->intervals << p->shift;
  int64_t d = q - p->low;
  d = d < 0 ? 0 : d > length ? length : d;
  int32_t i = (int32_t)(d >> p->shift);
  if (i == p->intervals) i = p->intervals - 1;
  const int64_t left = p->knots[i], rise = p->knots[i + 1] - left;
  const int64_t risen = left * ((int64_t)1 << p->shift) + rise * (d - ((int64_t)i << p->shift));
  return (int32_t)round_shift(risen, p->shift + p->fraction);
}
)c";

inline constexpr std::string_view kPatchOf = R"c(
/* Patch n of a picture, colour by colour, row by row. */
typedef struct {
  int32_t height, width, patch_height, patch_width;
} patch_of;
)c";

inline constexpr std::string_view kPatch = R"c(
static void patch_@to@(const patch_of *p, const int8_t *picture, int32_t n, int@to@_t *to) {
  const int32_t across = p->width / p->patch_width;
  const int8_t *corner = picture + n / across * p->patch_height * p->width + n % across * p->patch_width;
  for (int32_t colour = 0; colour < 3; ++colour) {
    for (int32_t y = 0; y < p->patch_height; ++y) {
      for (int32_t x = 0; x < p->patch_width; ++x) *to++ = corner[(colour * p->height + y) * p->width + x];
    }
  }
}
)c";

inline constexpr std::string_view kFill = R"c(
/* A row of constants. */
static void fill_@from@_@to@(const int@from@_t *from, int32_t width, int@to@_t *to) {
  for (int32_t c = 0; c < width; ++c) to[c] = clamp_@to@(from[c]);
}
)c";

inline constexpr std::string_view kLinearOf = R"c(
/* A matrix, and a change of unit for each of its outputs. */
typedef struct {
  const int8_t *weight; /* [out, in] */
  const int32_t *bias, *multiplier;
  const int8_t *shift;
  int32_t in, out, zero;
  int adds;
} linear_of;
)c";

inline constexpr std::string_view kLinear = R"c(
static void linear_@from@_@to@(const linear_of *p, const int@from@_t *from, int@to@_t *to) {
  for (int32_t o = 0; o < p->out; ++o) {
    const int8_t *weight = p->weight + o * p->in;
    int32_t sum = 0;
    for (int32_t i = 0; i < p->in; ++i) sum += (int32_t)weight[i] * from[i];
    sum += p->bias[o];
    const int64_t v = round_shift((int64_t)sum * p->multiplier[o], p->shift[o]) + p->zero;
    to[o] = clamp_@to@(p->adds ? to[o] + v : v);
  }
}
)c";

inline constexpr std::string_view kScaleOf = R"c(
/* x g(r), where channel 0 is r. */
typedef struct {
  curve_at_@knots@_of g;
  int32_t width;
  int shift;
} scale_@knots@_of;
)c";

inline constexpr std::string_view kScale = R"c(
static void scale_@from@_@to@_@knots@(const scale_@knots@_of *p, const int@from@_t *from, int@to@_t *to) {
  const int64_t g = curve_at_@knots@(&p->g, from[0]);
  to[0] = 0;
  for (int32_t c = 1; c < p->width; ++c) to[c] = clamp_@to@(round_shift(from[c] * g, p->shift));
}
)c";

inline constexpr std::string_view kCutScaleOf = R"c(
/* x g(r), where channel 0 is r, without the lower bits of both. */
typedef struct {
  curve_at_@knots@_of g;
  int32_t width;
  int shift, r_cut, x_cut, floors;
} cut_scale_@knots@_of;
)c";

inline constexpr std::string_view kCutScale = R"c(
static void cut_scale_@from@_@to@_@knots@(const cut_scale_@knots@_of *p, const int@from@_t *from, int@to@_t *to) {
  const int64_t g = curve_at_@knots@(&p->g, floor_shift(from[0], p->r_cut));
  const int64_t unit = (int64_t)1 << p->x_cut;
  to[0] = 0;
  for (int32_t c = 1; c < p->width; ++c) {
    const int64_t v = (floor_shift(from[c], p->x_cut) * unit + unit / 2) * g;
    to[c] = clamp_@to@(p->floors ? floor_shift(v, p->shift) : round_shift(v, p->shift));
  }
}
)c";

inline constexpr std::string_view kCurveOf = R"c(
/* f(x). */
typedef struct {
  curve_at_@knots@_of f;
  int32_t width;
} curve_@knots@_of;
)c";

inline constexpr std::string_view kCurve = R"c(
static void curve_@from@_@to@_@knots@(const curve_@knots@_of *p, const int@from@_t *from, int@to@_t *to) {
  for (int32_t c = 0; c < p->width; ++c) to[c] = clamp_@to@(curve_at_@knots@(&p->f, from[c]));
}
)c";

inline constexpr std::string_view kNormOf = R"c(
/* The whole part of the root. */
static int64_t whole_root(int64_t v) {
  uint64_t root = 0;
  for (uint64_t bit = (uint64_t)1 << 31; bit > 0; bit >>= 1) {
    if ((root | bit) * (root | bit) <= (uint64_t)v) root |= bit;
  }
  return (int64_t)root;
}

/* LayerNorm. */
typedef struct {
  int64_t eps;
  int32_t width, multiplier;
  int variance_shift, shift;
} norm_of;
)c";

inline constexpr std::string_view kNorm = R"c(
static void norm_@from@_@to@(const norm_of *p, const int@from@_t *from, int@to@_t *to) {
  int64_t sum = 0, squares = p->eps;
  for (int32_t c = 0; c < p->width; ++c) sum += from[c];
  for (int32_t c = 0; c < p->width; ++c) {
    const int64_t m = (int64_t)p->width * from[c] - sum;
    squares += (m * m) >> p->variance_shift;
  }
  const int64_t reciprocal = ((int64_t)1 << 46) / whole_root(squares);
  for (int32_t c = 0; c < p->width; ++c) {
    const int64_t m = (int64_t)p->width * from[c] - sum;
    const int64_t y = round_shift(m * reciprocal, 26 + p->variance_shift / 2);
    to[c] = clamp_@to@(round_shift(y * p->multiplier, p->shift));
  }
}
)c";

inline constexpr std::string_view kFirstSpreadOf = R"c(
/* r, the logarithm of a few squares of a token, into channel 0. */
typedef struct {
  const int32_t *scale, *number;
  curve_at_@knots@_of log2;
  int32_t width, multiplier, zero;
  int number_shift, shift;
} first_spread_@knots@_of;
)c";

inline constexpr std::string_view kFirstSpread = R"c(
static void first_spread_@from@_@to@_@knots@(const first_spread_@knots@_of *p, int32_t n,
                                             const int@from@_t *from, int@to@_t *to) {
  int64_t sum = p->number[n] * ((int64_t)1 << p->number_shift);
  for (int32_t k = 0; k < p->width; ++k) sum += p->scale[k] * ((int64_t)from[k] * from[k]);
  if (sum < 1) sum = 1;
  const int leading = leading_one((uint64_t)sum);
  const int64_t log2 =
      (int64_t)leading * 65536 + curve_at_@knots@(&p->log2, fraction_of((uint64_t)sum, leading));
  to[0] = clamp_@to@(round_shift(log2 * p->multiplier, p->shift) + p->zero);
}
)c";

inline constexpr std::string_view kAttentionOf = R"c(
/* Softmax attention. */
typedef struct {
  curve_at_@exp@_of exp;
  curve_at_@reciprocal@_of reciprocal;
  int32_t rows, heads, per_head, multiplier;
  int shift;
} attention_@exp@_@reciprocal@_of;
)c";

inline constexpr std::string_view kAttention = R"c(
/* Row n of all heads. */
static void attention_@to@_@exp@_@reciprocal@(const attention_@exp@_@reciprocal@_of *p, const int8_t *qkv,
                                              int32_t n, int@to@_t *to, int32_t *scratch) {
  const int32_t width = p->heads * p->per_head, stride = 3 * width;
  int32_t *const scores = scratch, *const sums = scratch + p->rows;
  for (int32_t head = 0; head < p->heads; ++head) {
    const int8_t *const query = qkv + n * stride + head * p->per_head;
    const int8_t *const keys = qkv + width + head * p->per_head, *const values = keys + width;
    int32_t largest = INT32_MIN, total = 0;
    for (int32_t j = 0; j < p->rows; ++j) {
      const int8_t *const key = keys + j * stride;
      int32_t score = 0;
      for (int32_t c = 0; c < p->per_head; ++c) score += (int32_t)query[c] * key[c];
      scores[j] = score;
      if (score > largest) largest = score;
    }
    for (int32_t c = 0; c < p->per_head; ++c) sums[c] = 0;
    for (int32_t j = 0; j < p->rows; ++j) {
      const int8_t *const value = values + j * stride;
      const int32_t e = curve_at_@exp@(&p->exp, (int64_t)largest - scores[j]);
      total += e;
      for (int32_t c = 0; c < p->per_head; ++c) sums[c] += e * value[c];
    }
    const int leading = leading_one((uint64_t)total);
    const int64_t reciprocal = curve_at_@reciprocal@(&p->reciprocal, fraction_of((uint64_t)total, leading));
    for (int32_t c = 0; c < p->per_head; ++c) {
      const int64_t mean = round_shift(sums[c] * reciprocal, leading);
      *to++ = clamp_@to@(round_shift(mean * p->multiplier, p->shift));
    }
  }
}
)c";

}  // namespace normgraft::c
