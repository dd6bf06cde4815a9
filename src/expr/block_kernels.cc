#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "block_kernels.cc"
// The order matters: foreach_target.h includes this file again for each target.
// clang-format off
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// clang-format on
#include "block_kernels.h"

#include "block_math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace normgraft {
namespace HWY_NAMESPACE {
namespace {

const Floats kTag;

HWY_INLINE V load(const float* array, size_t i) {
  return hn::LoadU(kTag, array + i);
}

template <auto F>
void binary_arrays(const float* a, const float* b, float, float, float* out, size_t n) {
  for (size_t i = 0; i < n; i += hn::Lanes(kTag)) hn::StoreU(F(load(a, i), load(b, i)), kTag, out + i);
}

template <auto F>
void binary_array_constant(const float* a, const float*, float c, float, float* out, size_t n) {
  for (size_t i = 0; i < n; i += hn::Lanes(kTag)) hn::StoreU(F(load(a, i), constant(c)), kTag, out + i);
}

template <auto F>
void binary_constant_array(const float*, const float* b, float c, float, float* out, size_t n) {
  for (size_t i = 0; i < n; i += hn::Lanes(kTag)) hn::StoreU(F(constant(c), load(b, i)), kTag, out + i);
}

template <auto F>
void unary(const float* a, const float*, float, float, float* out, size_t n) {
  for (size_t i = 0; i < n; i += hn::Lanes(kTag)) hn::StoreU(F(load(a, i)), kTag, out + i);
}

void fill(const float*, const float*, float c, float, float* out, size_t n) {
  for (size_t i = 0; i < n; i += hn::Lanes(kTag)) hn::StoreU(constant(c), kTag, out + i);
}

void clip(const float* a, const float*, float c0, float c1, float* out, size_t n) {
  const V low = constant(c0);
  const V high = constant(c1);
  for (size_t i = 0; i < n; i += hn::Lanes(kTag)) {
    const V v = load(a, i);
    const V below = hn::IfThenElse(hn::Gt(v, high), high, v);
    hn::StoreU(hn::IfThenElse(hn::Lt(v, low), low, below), kTag, out + i);
  }
}

/// What a partial is made of, loaded only where it is used.
struct Partial {
  const float* p_array;
  const float* q_array;
  float c0, c1;
  size_t i;

  HWY_INLINE V p() const { return load(p_array, i); }
  HWY_INLINE V q() const { return load(q_array, i); }
  HWY_INLINE V low() const { return constant(c0); }
  HWY_INLINE V high() const { return constant(c1); }
};

/// `F(g, partial)` with g = scale * g[i].
template <auto F>
void pull(const float* g, float scale, const float* p, const float* q, float c0, float c1, float* out,
          size_t n) {
  const V factor = constant(scale);
  for (size_t i = 0; i < n; i += hn::Lanes(kTag)) {
    hn::StoreU(F(hn::Mul(factor, load(g, i)), Partial{p, q, c0, c1, i}), kTag, out + i);
  }
}

void add(const float* g, float scale, const float*, const float*, float, float, float* out, size_t n) {
  const V factor = constant(scale);
  for (size_t i = 0; i < n; i += hn::Lanes(kTag)) {
    hn::StoreU(hn::Add(load(out, i), hn::Mul(factor, load(g, i))), kTag, out + i);
  }
}

/// The chain rule's term: zero where either factor is, even where the other is infinite.
HWY_INLINE V term(V g, V partial) {
  const V zero = hn::Zero(kTag);
  return hn::IfThenZeroElse(hn::Or(hn::Eq(g, zero), hn::Eq(partial, zero)), hn::Mul(g, partial));
}

HWY_INLINE V one() {
  return constant(1.0F);
}

double sum(const float* a, size_t n) {
  constexpr size_t kParts = 16;
  double parts[kParts] = {};
  size_t i = 0;
  for (; i + kParts <= n; i += kParts) {
    for (size_t k = 0; k < kParts; ++k) parts[k] += static_cast<double>(a[i + k]);
  }
  for (size_t k = 0; i < n; ++i, ++k) parts[k] += static_cast<double>(a[i]);
  double total = 0;
  for (const double part : parts) total += part;
  return total;
}

template <auto F>
void register_binary(BlockKernels& kernels, Op op) {
  BlockKernels::Apply* row = kernels.apply[static_cast<size_t>(op)];
  row[static_cast<size_t>(Shape::kArrays)] = binary_arrays<F>;
  row[static_cast<size_t>(Shape::kArrayConstant)] = binary_array_constant<F>;
  row[static_cast<size_t>(Shape::kConstantArray)] = binary_constant_array<F>;
}

void register_values(BlockKernels& kernels) {
  register_binary<[](V a, V b) { return hn::Add(a, b); }>(kernels, Op::kAdd);
  register_binary<[](V a, V b) { return hn::Sub(a, b); }>(kernels, Op::kSub);
  register_binary<[](V a, V b) { return hn::Mul(a, b); }>(kernels, Op::kMul);
  register_binary<[](V a, V b) { return hn::Div(a, b); }>(kernels, Op::kDiv);
  register_binary<[](V a, V b) { return hn::IfThenElse(hn::Or(hn::Lt(a, b), hn::IsNaN(a)), a, b); }>(
      kernels, Op::kMin);
  register_binary<[](V a, V b) { return hn::IfThenElse(hn::Or(hn::Gt(a, b), hn::IsNaN(a)), a, b); }>(
      kernels, Op::kMax);
  const auto set = [&](Op op, BlockKernels::Apply loop) { kernels.apply[static_cast<size_t>(op)][0] = loop; };
  set(Op::kConstant, fill);
  for (const Op variable : {Op::kX, Op::kR}) set(variable, unary<[](V a) { return a; }>);
  set(Op::kNeg, unary<[](V a) { return hn::Neg(a); }>);
  set(Op::kAbs, unary<[](V a) { return hn::Abs(a); }>);
  set(Op::kSquare, unary<[](V a) { return hn::Mul(a, a); }>);
  set(Op::kClip, clip);
  set(Op::kTanh, unary<[](V a) { return tanh(a); }>);
  set(Op::kSigmoid, unary<[](V a) { return sigmoid(a); }>);
  set(Op::kErf, unary<[](V a) { return erf(a); }>);
  set(Op::kSqrt, unary<[](V a) { return hn::Sqrt(a); }>);
  set(Op::kRsqrt, unary<[](V a) { return hn::Div(one(), hn::Sqrt(a)); }>);
  set(Op::kExp, unary<[](V a) { return exp(a); }>);
  set(Op::kLog, unary<[](V a) { return log(a); }>);
  set(Op::kExp2, unary<[](V a) { return exp2(a); }>);
  set(Op::kLog2, unary<[](V a) { return log2(a); }>);
}

void register_partials(BlockKernels& k) {
  k.copy = pull<[](V g, Partial) { return g; }>;
  k.add = add;
  k.times = pull<[](V g, Partial d) { return term(g, d.p()); }>;
  k.over = pull<[](V g, Partial d) { return term(g, hn::Div(one(), d.p())); }>;
  k.times_over = pull<[](V g, Partial d) { return term(g, hn::Div(d.p(), d.q())); }>;
  k.at_most = pull<[](V g, Partial d) { return hn::IfThenElseZero(hn::Le(d.p(), d.q()), g); }>;
  k.not_at_most = pull<[](V g, Partial d) { return hn::IfThenZeroElse(hn::Le(d.p(), d.q()), g); }>;
  k.inside = pull<[](V g, Partial d) {
    return hn::IfThenElseZero(hn::And(hn::Ge(d.p(), d.low()), hn::Le(d.p(), d.high())), g);
  }>;
  k.below = pull<[](V g, Partial d) { return hn::IfThenElseZero(hn::Lt(d.p(), d.low()), g); }>;
  k.above = pull<[](V g, Partial d) { return hn::IfThenElseZero(hn::Gt(d.p(), d.high()), g); }>;
  k.sign = pull<[](V g, Partial d) {
    return hn::IfThenZeroElse(hn::Eq(d.p(), hn::Zero(kTag)), hn::Mul(g, hn::CopySign(one(), d.p())));
  }>;
  k.tanh =
      pull<[](V g, Partial d) { return term(g, hn::Mul(hn::Sub(one(), d.p()), hn::Add(one(), d.p()))); }>;
  k.sigmoid = pull<[](V g, Partial d) { return term(g, hn::Mul(d.p(), hn::Sub(one(), d.p()))); }>;
  k.erf = pull<[](V g, Partial d) {
    return term(g, hn::Mul(constant(1.12837916710F), exp(hn::Neg(hn::Mul(d.p(), d.p())))));
  }>;
  k.cube = pull<[](V g, Partial d) { return term(g, hn::Mul(d.p(), hn::Mul(d.p(), d.p()))); }>;
  k.sum = sum;
}

}  // namespace

const BlockKernels* target_kernels() {
  static const BlockKernels kKernels = [] {
    BlockKernels k{};
    register_values(k);
    register_partials(k);
    return k;
  }();
  return &kKernels;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace normgraft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace normgraft {

HWY_EXPORT(target_kernels);

const BlockKernels& block_kernels() {
  return *HWY_DYNAMIC_DISPATCH(target_kernels)();
}

}  // namespace normgraft
#endif
