#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace normgraft {

/// Memory from a multiple of a cache line, where SIMD loads never straddle two.
template <typename T>
struct CacheAligned {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  CacheAligned() = default;
  template <typename U>
  CacheAligned(const CacheAligned<U>&) {}

  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kAlignment)); }
  void deallocate(T* memory, size_t) { ::operator delete(memory, kAlignment); }
  bool operator==(const CacheAligned&) const = default;
};

using AlignedFloats = std::vector<float, CacheAligned<float>>;

}  // namespace normgraft
