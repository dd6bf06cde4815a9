#include "normgraft/core/random.h"

#include <bit>
#include <cmath>
#include <numbers>

namespace normgraft {
namespace {

uint64_t split_mix(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace

Random::Random(std::initializer_list<uint64_t> name) {
  uint64_t state = name.size();
  for (uint64_t part : name) {
    state ^= part;
    state = split_mix(state);
  }
  for (uint64_t& word : state_) word = split_mix(state);
}

Random::result_type Random::operator()() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Random::uniform() {
  return static_cast<double>((*this)() >> 11) * 0x1.0p-53;
}

uint64_t Random::below(uint64_t n) {
  const uint64_t limit = max() - max() % n;
  uint64_t value = (*this)();
  while (value >= limit) value = (*this)();
  return value % n;
}

double Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

}  // namespace normgraft
