#include "normgraft/integer/program.h"

namespace normgraft {

int64_t IntegerTensor::size() const {
  int64_t count = 1;
  for (const int64_t each : shape) count *= each;
  return count;
}

int64_t IntegerTensor::at(int64_t index) const {
  const auto i = static_cast<size_t>(index);
  return bits == 8 ? values8[i] : bits == 16 ? values16[i] : values32[i];
}

}  // namespace normgraft
