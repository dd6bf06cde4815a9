#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "normal_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// Highway's own order: foreach_target.h includes this file again for each target.
#include <algorithm>
#include <cstring>

#include "hwy/highway.h"
#include "normal_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace normgraft {
namespace HWY_NAMESPACE {
namespace {

// Sums run in the same lanes on every target, each of which maps them to the registers it has.
constexpr size_t kLanes = 16;
using Floats16 = float __attribute__((vector_size(kLanes * sizeof(float))));
using Floats8 = float __attribute__((vector_size(kLanes / 2 * sizeof(float))));
using Doubles8 = double __attribute__((vector_size(kLanes / 2 * sizeof(double))));

template <class Vector>
HWY_INLINE void load(Vector& to, const float* from) {
  std::memcpy(&to, from, sizeof to);
}

template <class Vector>
HWY_INLINE double sum_lanes(const Vector& lanes) {
  constexpr size_t kCount = sizeof(Vector) / sizeof(lanes[0]);
  double parts[kCount];
  for (size_t i = 0; i < kCount; ++i) parts[i] = lanes[i];
  for (size_t half = kCount / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) parts[i] += parts[i + half];
  }
  return parts[0];
}

HWY_INLINE double dot(const float* a, const float* b, size_t n) {
  constexpr size_t kBlock = 512;
  double sum = 0;
  size_t i = 0;
  for (const size_t whole = n - n % (2 * kLanes); i < whole;) {
    Floats16 even = {};
    Floats16 odd = {};
    for (const size_t end = std::min(i + kBlock, whole); i < end; i += 2 * kLanes) {
      Floats16 p, q;
      load(p, a + i);
      load(q, b + i);
      even += p * q;
      load(p, a + i + kLanes);
      load(q, b + i + kLanes);
      odd += p * q;
    }
    even += odd;
    sum += sum_lanes(even);
  }
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

double weighted_squares_of(const float* f, const float* y, const float* weight, size_t n) {
  constexpr size_t kHalf = kLanes / 2;
  Doubles8 lanes = {};
  size_t i = 0;
  for (; i + kHalf <= n; i += kHalf) {
    Floats8 value, target, w;
    load(value, f + i);
    load(target, y + i);
    load(w, weight + i);
    const Doubles8 difference = __builtin_convertvector(value - target, Doubles8);
    lanes += __builtin_convertvector(w, Doubles8) * difference * difference;
  }
  double sum = sum_lanes(lanes);
  for (; i < n; ++i) {
    const double difference = f[i] - y[i];
    sum += weight[i] * difference * difference;
  }
  return sum;
}

void normal_equations_of(const float* columns, size_t count, const float* residual, const float* weight,
                         size_t n, float* weighted, double* normal, double* gradient) {
  for (size_t k = 0; k < count; ++k) {
    const float* column = columns + k * n;
    for (size_t i = 0; i < n; ++i) weighted[i] = weight[i] * column[i];
    gradient[k] = dot(weighted, residual, n);
    for (size_t l = 0; l <= k; ++l) normal[k * count + l] = dot(weighted, columns + l * n, n);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace normgraft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace normgraft {

HWY_EXPORT(weighted_squares_of);
HWY_EXPORT(normal_equations_of);

double weighted_squares(const float* f, const float* y, const float* weight, size_t n) {
  return HWY_DYNAMIC_DISPATCH(weighted_squares_of)(f, y, weight, n);
}

void normal_equations(const float* columns, size_t count, const float* residual, const float* weight,
                      size_t n, float* weighted, double* normal, double* gradient) {
  HWY_DYNAMIC_DISPATCH(normal_equations_of)(columns, count, residual, weight, n, weighted, normal, gradient);
}

}  // namespace normgraft
#endif
