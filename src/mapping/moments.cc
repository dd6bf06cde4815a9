#include "normgraft/mapping/moments.h"

namespace normgraft {

void Moments::merge(const Moments& other) {
  if (other.weight == 0) return;
  if (weight == 0) {
    *this = other;
    return;
  }
  const double total = weight + other.weight;
  const double dx = other.x - x;
  const double dy = other.y - y;
  const double share = other.weight / total;
  const double cross = weight * share;
  x += share * dx;
  y += share * dy;
  sxx += other.sxx + cross * dx * dx;
  sxy += other.sxy + cross * dx * dy;
  syy += other.syy + cross * dy * dy;
  weight = total;
  weight2 += other.weight2;
}

}  // namespace normgraft
