#include "normgraft/integer/arithmetic.h"

namespace normgraft {

int64_t whole_root(int64_t v) {
  int64_t root = 0;
  for (int bit = 31; bit >= 0; --bit) {
    const int64_t larger = root | (int64_t{1} << bit);
    if (larger <= v / larger) root = larger;
  }
  return root;
}

}  // namespace normgraft
