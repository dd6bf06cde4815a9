#include "engine_pack.h"

#include <algorithm>
#include <cstdlib>

#include "normgraft/integer/arithmetic.h"

namespace normgraft {
namespace {

size_t up_to_multiple(size_t n, size_t of) {
  return (n + of - 1) / of * of;
}

/// The largest magnitude of a code.
int64_t largest_magnitude(const IntegerBuffer& buffer) {
  return largest_code(buffer.bits) + 1;
}

/// `most` is the largest magnitude of what comes.
Requantise requantise(std::vector<Rescale> rescales, int32_t zero, int64_t most, size_t lanes) {
  Requantise made;
  made.zero = zero;
  for (const Rescale& each : rescales) {
    made.exact_multiplier.push_back(each.multiplier);
    made.exact_shift.push_back(each.shift);
  }
  int least = 62, largest = 0;
  for (Rescale& each : rescales) {
    while (each.shift < 33 && std::abs(int64_t{each.multiplier}) < (int64_t{1} << 30)) {
      each.multiplier *= 2;
      each.shift += 1;
    }
    least = std::min(least, each.shift);
    largest = std::max(largest, each.shift);
  }
  made.lift = std::max(0, 33 - least);
  made.fast = made.lift < 31 && (most << made.lift) <= INT32_MAX && largest + made.lift <= 62 &&
              std::abs(int64_t{zero}) < (int64_t{1} << 29);
  rescales.resize(up_to_multiple(rescales.size(), lanes), {0, 33});
  for (const Rescale& each : rescales) {
    made.multiplier.push_back(each.multiplier);
    made.shift.push_back(each.shift + made.lift - 32);
    made.rounding.push_back(made.fast ? 1 << (made.shift.back() - 1) : 0);
  }
  return made;
}

}  // namespace

Storage Packer::storage(const IntegerBuffer& buffer) const {
  if (buffer.bits == 32) return Storage::kInts;
  return buffer.bits == 8 && kernels_.bytes ? Storage::kBytes : Storage::kShorts;
}

Packed Packer::pack_weight(const LinearStep& step) const {
  const IntegerTensor &weight = tensor(step.weight), &bias = tensor(step.bias);
  const auto inputs = static_cast<size_t>(buffer(step.from).width);
  const auto outputs = static_cast<size_t>(buffer(step.to).width);
  Packed made;
  made.storage = storage(buffer(step.from));
  made.fused = kernels_.bytes;
  const bool bytes = made.storage == Storage::kBytes;
  const size_t in_group = bytes ? 4 : 2, panel = kPanel * kernels_.lanes;
  made.groups = (inputs + in_group - 1) / in_group;
  made.outputs = up_to_multiple(outputs, kernels_.lanes);
  made.data.resize(made.groups * made.outputs * sizeof(int32_t));
  made.start.resize(made.outputs);
  auto* const as_bytes = reinterpret_cast<int8_t*>(made.data.data());
  auto* const as_shorts = reinterpret_cast<int16_t*>(made.data.data());
  for (size_t o = 0; o < outputs; ++o) {
    const size_t first = o / panel * panel, columns = std::min(panel, made.outputs - first);
    int64_t sum = 0;
    for (size_t i = 0; i < inputs; ++i) {
      const int8_t code = weight.values8[o * inputs + i];
      const size_t group = first * made.groups + i / in_group * columns + o - first;
      if (bytes) {
        as_bytes[group * in_group + i % in_group] = code;
      } else {
        as_shorts[group * in_group + i % in_group] = int16_t{code};
      }
      sum += code;
    }
    // Bytes hold code + 128. What the sum goes beyond 32 bits, it comes back.
    const int64_t start = bias.at(static_cast<int64_t>(o)) - (bytes ? 128 * sum : 0);
    made.start[o] = static_cast<int32_t>(static_cast<uint32_t>(start));
  }
  return made;
}

LinearPlan Packer::pack(const LinearStep& step) const {
  const IntegerTensor &weight = tensor(step.weight), &bias = tensor(step.bias);
  const int64_t inputs = buffer(step.from).width;
  int64_t most = 0;
  std::vector<Rescale> rescales;
  for (int64_t o = 0; o < buffer(step.to).width; ++o) {
    int64_t weights = 0;
    for (int64_t i = 0; i < inputs; ++i) weights += std::abs(weight.at(o * inputs + i));
    most = std::max(most, weights * largest_magnitude(buffer(step.from)) + std::abs(bias.at(o)));
    rescales.push_back(
        {static_cast<int32_t>(tensor(step.multiplier).at(o)), static_cast<int>(tensor(step.shift).at(o))});
  }
  LinearPlan made{pack_weight(step), requantise(std::move(rescales), step.zero, most, kernels_.lanes),
                  step.adds};
  if (step.adds && buffer(step.to).bits == 32) made.requantise.fast = false;
  return made;
}

CurvePlan Packer::pack(const Curve& curve) const {
  const IntegerTensor& knots = tensor(curve.knots);
  CurvePlan made;
  made.low = curve.low;
  made.shift = curve.shift;
  made.fraction = curve.fraction;
  for (int64_t i = 0; i < knots.size(); ++i) made.knots.push_back(static_cast<int32_t>(knots.at(i)));
  const int64_t span = (knots.size() - 1) << curve.shift;
  // knot << shift and what is added to round fit 32 bits.
  made.packs = curve.shift <= 14 && curve.shift + curve.fraction <= 29 && span <= INT32_MAX &&
               curve.low + span <= INT32_MAX;
  const auto is_short = [](int64_t v) { return v >= INT16_MIN && v <= INT16_MAX; };
  for (size_t i = 0; i + 1 < made.knots.size() && made.packs; ++i) {
    const int64_t rise = int64_t{made.knots[i + 1]} - made.knots[i];
    made.packs = is_short(made.knots[i]) && is_short(rise);
    const uint32_t pair =
        static_cast<uint32_t>(made.knots[i]) << 16 | (static_cast<uint32_t>(rise) & 0xffffU);
    made.pairs.push_back(static_cast<int32_t>(pair));
  }
  if (!made.packs) {
    made.pairs.clear();
    return made;
  }
  made.high = static_cast<int32_t>(curve.low + span);
  made.pairs.resize(std::max<size_t>(made.pairs.size(), 128));
  return made;
}

ScalePlan Packer::pack(const ScaleStep& step) const {
  ScalePlan made;
  made.g = pack(step.g);
  made.shift = step.shift;
  made.r_cut = step.r_cut;
  made.x_cut = step.x_cut;
  made.floors = step.floors;
  int64_t most = 0;
  for (const int32_t knot : made.g.knots) most = std::max(most, std::abs(round_shift(knot, made.g.fraction)));
  const int64_t x = largest_magnitude(buffer(step.from));
  made.lift = std::max(0, 33 - step.shift);
  if (step.shift <= 31 && x * most <= INT32_MAX - (int64_t{1} << 30)) {
    made.width = ScalePlan::Width::k32;
  } else if (made.lift < 31 && (x << made.lift) <= (int64_t{1} << 31) && step.shift + made.lift <= 62) {
    made.width = ScalePlan::Width::kUpperHalf;
  }
  return made;
}

CurveStepPlan Packer::pack(const CurveStep& step) const {
  const IntegerBuffer &from = buffer(step.from), &to = buffer(step.to);
  CurveStepPlan made;
  made.curve = pack(step.f);
  if (from.bits == 32 || to.bits == 32) return made;
  for (int64_t q = -largest_magnitude(from); q < largest_magnitude(from); ++q) {
    const int64_t v = clamp_to_bits(value_at(step.f, tensor(step.f.knots), q), to.bits);
    made.values.push_back(static_cast<int16_t>(v));
    if (from.bits == 8 && to.bits == 8) made.bytes.push_back(static_cast<uint8_t>(v + 128));
  }
  return made;
}

Requantise Packer::everywhere(const Rescale& rescale, int64_t most) const {
  return requantise(std::vector<Rescale>(kernels_.lanes, rescale), 0, most, kernels_.lanes);
}

NormPlan Packer::pack(const NormStep& step) const {
  NormPlan made;
  made.eps = step.eps;
  made.variance_shift = step.variance_shift;
  made.rescale = step.rescale;
  // Where the root is at least 2^15, as it is where the reciprocal fits 32 bits, m_c is at most the root and
  // one, times 2^(variance_shift / 2).
  made.requantise = everywhere(step.rescale, int64_t{1} << 21);
  const int64_t most = 2 * buffer(step.from).width * largest_magnitude(buffer(step.from));
  made.narrow = made.requantise.fast && most <= INT32_MAX;
  return made;
}

AttentionPlan Packer::pack(const AttentionStep& step) const {
  const IntegerBuffer& from = buffer(step.from);
  AttentionPlan made;
  made.heads = static_cast<size_t>(step.heads);
  made.per_head = static_cast<size_t>(buffer(step.to).width / step.heads);
  made.rows = static_cast<size_t>(from.rows);
  made.fused = kernels_.bytes;
  made.values = step.exp_bits == 8 ? storage(from) : Storage::kShorts;
  made.exp = pack(step.exp);
  made.reciprocal = pack(step.reciprocal);
  made.rescale = step.rescale;
  // a_c is less than 2^(b + 1) times 128, and R less than 2^16.
  made.requantise = everywhere(step.rescale, int64_t{1} << 24);
  return made;
}

}  // namespace normgraft
