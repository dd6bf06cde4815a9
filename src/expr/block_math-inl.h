// Functions of float vectors, compiled once for each SIMD target: no include guard but Highway's.
#if defined(NORMGRAFT_BLOCK_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMGRAFT_BLOCK_MATH_INL_H
#undef NORMGRAFT_BLOCK_MATH_INL_H
#else
#define NORMGRAFT_BLOCK_MATH_INL_H
#endif

#include <limits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace normgraft {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using V = hn::Vec<Floats>;

HWY_INLINE V constant(float c) {
  return hn::Set(Floats(), c);
}

/// Horner's scheme; the coefficients start at the highest power.
template <typename... Rest>
HWY_INLINE V polynomial(V t, V sum, float c, Rest... rest) {
  const V next = hn::MulAdd(sum, t, constant(c));
  if constexpr (sizeof...(rest) == 0) {
    return next;
  } else {
    return polynomial(t, next, rest...);
  }
}

/// min(|a|, limit); NaN stays.
HWY_INLINE V limited_magnitude(V a, float limit) {
  const V magnitude = hn::Abs(a);
  const V l = constant(limit);
  return hn::IfThenElse(hn::Gt(magnitude, l), l, magnitude);
}

/// A power split in two: e^a = 2^n e^r with |r| <= ln(2)/2, or 2^a = 2^n 2^r with |r| <= 1/2.
struct Reduced {
  hn::Vec<hn::RebindToSigned<Floats>> n;
  V r;
};

/// ln(2) is subtracted in two parts, of which the first times n is exact.
HWY_INLINE Reduced reduce(V a) {
  const auto n = hn::NearestInt(hn::Mul(a, constant(1.44269504089F)));
  const V k = hn::ConvertTo(Floats(), n);
  return {n, hn::NegMulAdd(k, constant(-2.12194440055e-4F), hn::NegMulAdd(k, constant(0.693359375F), a))};
}

/// 2^n as a float; n in [-126, 127].
template <typename N>
HWY_INLINE V power_of_two(N n) {
  const auto biased = hn::Add(n, hn::Set(hn::RebindToSigned<Floats>(), 127));
  return hn::BitCast(Floats(), hn::ShiftLeft<23>(biased));
}

/// e^a - 1 for a in [-40, 0], with small relative error also near 0. e^r - 1 = r + r^2 q(r), relative minimax
/// fit with degree 4 (error 2^-26.2).
HWY_INLINE V expm1_of_negative(V a) {
  const auto [n, r] = reduce(a);
  const V q = polynomial(r, constant(1.38824917283e-3F), 8.36664711125e-3F, 4.16672040029e-2F,
                         1.66665426812e-1F, 4.99999981327e-1F);
  const V power = power_of_two(n);
  return hn::MulAdd(power, hn::MulAdd(hn::Mul(r, r), q, r), hn::Sub(power, constant(1.0F)));
}

/// Within 4 ULP. -m / (2 + m) with m = e^(-2|a|) - 1, and the sign of a; 1 as a float beyond 9.02.
HWY_INLINE V tanh(V a) {
  const V m = expm1_of_negative(hn::Mul(limited_magnitude(a, 10.0F), constant(-2.0F)));
  return hn::CopySign(hn::Div(m, hn::Add(constant(2.0F), m)), a);
}

/// Within 4 ULP. 1 - e^(-|a| h(|a|)) and the sign of a, h a minimax fit of -ln(erfc(a)) / a with degree 8 on
/// [0, 3.93], weighted for the relative error of erf (2^-27.9); 1 as a float beyond.
HWY_INLINE V erf(V a) {
  const V x = limited_magnitude(a, 3.93F);
  const V h = polynomial(x, constant(-9.25680330249e-6F), 1.17646559381e-4F, -6.32857058628e-4F,
                         1.66706573616e-3F, -1.60434028394e-4F, -1.91530449897e-2F, 1.02777826566e-1F,
                         6.36619382164e-1F, 1.12837917162F);
  return hn::CopySign(expm1_of_negative(hn::Neg(hn::Mul(x, h))), a);
}

/// a between limits; NaN stays.
HWY_INLINE V limited_between(V a, float low, float high) {
  const V l = constant(low);
  const V h = constant(high);
  return hn::IfThenElse(hn::Lt(a, l), l, hn::IfThenElse(hn::Gt(a, h), h, a));
}

/// p 2^n in two factors, either of which is a normal float when the result overflows or is subnormal.
template <typename N>
HWY_INLINE V scaled_by_power(V p, N n) {
  const auto half = hn::ShiftRight<1>(n);
  return hn::Mul(hn::Mul(p, power_of_two(half)), power_of_two(hn::Sub(n, half)));
}

/// Within 2 ULP, subnormal results included. Beyond the limits the result is 0 or infinity as a float. e^r is
/// a relative minimax fit with degree 6 (error 2^-28.3).
HWY_INLINE V exp(V a) {
  const auto [n, r] = reduce(limited_between(a, -104.0F, 89.0F));
  const V p = polynomial(r, constant(1.3814315635e-3F), 8.36885154032e-3F, 4.16684011874e-2F,
                         1.6666519519e-1F, 4.99999933726e-1F, 1.0F, 1.0F);
  return scaled_by_power(p, n);
}

/// Within 2 ULP likewise, and exact of whole numbers. 2^r is a relative minimax fit with degree 6 (error
/// 2^-27.1).
HWY_INLINE V exp2(V a) {
  const V limited = limited_between(a, -151.0F, 129.0F);
  const auto n = hn::NearestInt(limited);
  const V r = hn::Sub(limited, hn::ConvertTo(Floats(), n));
  const V p = polynomial(r, constant(1.58214796102e-4F), 1.34186435025e-3F, 9.61706321687e-3F,
                         5.55027276278e-2F, 2.4022655189e-1F, 6.93147242069e-1F, 1.0F);
  return scaled_by_power(p, n);
}

/// What the logarithm of a = 2^k (1 + f) is made of, 1 + f in [sqrt(1/2), sqrt(2)): log(1 + f) = f - f^2/2 +
/// f^3 q, relative minimax fit with degree 8 (error 2^-30.3). Subnormal a are scaled by 2^23.
struct Logarithm {
  V k, f, square, q;
};

HWY_INLINE Logarithm logarithm(V a) {
  const hn::RebindToSigned<Floats> integers;
  const auto subnormal = hn::Lt(a, constant(std::numeric_limits<float>::min()));
  const auto bits = hn::BitCast(integers, hn::IfThenElse(subnormal, hn::Mul(a, constant(0x1p23F)), a));
  const auto exponent = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(integers, 0x3f3504f3)));  // over sqrt(1/2)
  const V f = hn::Sub(hn::BitCast(Floats(), hn::Sub(bits, hn::ShiftLeft<23>(exponent))), constant(1.0F));
  const V k = hn::Sub(hn::ConvertTo(Floats(), exponent), hn::IfThenElseZero(subnormal, constant(23.0F)));
  const V square = hn::Mul(f, f);
  const V q = polynomial(f, constant(6.7466361948e-2F), -1.16756506563e-1F, 1.1888163621e-1F,
                         -1.24055891953e-1F, 1.42195522022e-1F, -1.66679958334e-1F, 2.00021186668e-1F,
                         -2.50000095999e-1F, 3.33333126039e-1F);
  return {k, f, square, q};
}

/// A logarithm of a where a is finite and positive, and its values elsewhere: NaN below 0.
HWY_INLINE V in_domain_of_logarithm(V a, V result) {
  const V infinity = constant(std::numeric_limits<float>::infinity());
  const V zero = hn::Zero(Floats());
  const V positive = hn::IfThenElse(hn::Eq(a, infinity), infinity, result);
  const V other =
      hn::IfThenElse(hn::Eq(a, zero), hn::Neg(infinity), constant(std::numeric_limits<float>::quiet_NaN()));
  return hn::IfThenElse(hn::Gt(a, zero), positive, other);
}

/// Within 2 ULP, also of subnormal a.
HWY_INLINE V log(V a) {
  const auto [k, f, square, q] = logarithm(a);
  // k ln(2) is added in two parts, of which the first is exact.
  const V small = hn::MulAdd(hn::Mul(square, f), q, hn::Mul(k, constant(-2.12194440055e-4F)));
  const V rest = hn::Add(f, hn::NegMulAdd(square, constant(0.5F), small));
  return in_domain_of_logarithm(a, hn::MulAdd(k, constant(0.693359375F), rest));
}

/// Within 2 ULP likewise, and exact of powers of two.
HWY_INLINE V log2(V a) {
  const auto [k, f, square, q] = logarithm(a);
  const V rest = hn::NegMulAdd(square, constant(0.5F), hn::Mul(hn::Mul(square, f), q));
  // f is multiplied by 1/ln(2) in two parts, as it may be all there is.
  const V one_over_ln2 = constant(1.44269502163F);
  const V small = hn::MulAdd(f, constant(1.92596303e-8F), hn::Mul(rest, one_over_ln2));
  return in_domain_of_logarithm(a, hn::Add(k, hn::MulAdd(f, one_over_ln2, small)));
}

/// Within 4 ULP.
HWY_INLINE V sigmoid(V a) {
  const V one = constant(1.0F);
  const V e = exp(hn::Neg(hn::Abs(a)));
  return hn::Div(hn::IfThenElse(hn::Lt(a, hn::Zero(Floats())), e, one), hn::Add(one, e));
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace normgraft
HWY_AFTER_NAMESPACE();

#endif
