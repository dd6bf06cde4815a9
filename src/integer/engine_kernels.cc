#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine_kernels.cc"
// Registers of unknown length cannot be held in arrays.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
// The order matters: foreach_target.h includes this file again for each target.
// clang-format off
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// clang-format on
#include "engine_kernels.h"

#include "engine_attention-inl.h"
#include "engine_rows-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace normgraft {
namespace HWY_NAMESPACE {
namespace {

EngineKernels kernels_of(bool bytes) {
  return {lanes(), bytes, linear, scale, curve, norm, attend};
}

bool multiplies_bytes() {
#if NORMGRAFT_BYTE_PRODUCTS
  return __builtin_cpu_supports("avx512vnni") != 0 && __builtin_cpu_supports("avx512vbmi") != 0;
#else
  return false;
#endif
}

}  // namespace

const EngineKernels* kernels_of_target(bool bytes) {
  static const EngineKernels kShorts = kernels_of(false), kBytes = kernels_of(true);
  return bytes && multiplies_bytes() ? &kBytes : &kShorts;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace normgraft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace normgraft {

HWY_EXPORT(kernels_of_target);

const EngineKernels& engine_kernels(bool bytes) {
  return *HWY_DYNAMIC_DISPATCH(kernels_of_target)(bytes);
}

}  // namespace normgraft
#endif
