#include "normgraft/expr/block.h"

#include <cassert>

#include "block_sweep.h"

namespace normgraft {

BlockEvaluator::BlockEvaluator() : sweep_(std::make_unique<Sweep>()) {}
BlockEvaluator::BlockEvaluator(BlockEvaluator&&) noexcept = default;
BlockEvaluator& BlockEvaluator::operator=(BlockEvaluator&&) noexcept = default;
BlockEvaluator::~BlockEvaluator() = default;

namespace {

/// Calls visit(begin, n) for each block of an array; n is kBlock but for the last one.
template <typename Visit>
void for_each_block(size_t size, Visit visit) {
  for (size_t begin = 0; begin < size; begin += kBlock) visit(begin, std::min(kBlock, size - begin));
}

}  // namespace

void BlockEvaluator::values(const Expression& f, std::span<const float> x, std::span<const float> r,
                            std::span<float> y) {
  assert(x.size() == y.size());
  assert(r.empty() || r.size() == x.size());
  sweep_->prepare(f, r, {});
  for_each_block(x.size(), [&](size_t begin, size_t n) {
    const bool whole = n % kBlockLanes == 0;
    const Sweep::Inputs in = sweep_->inputs(x, r, begin, n);
    float* out = whole ? y.data() + begin : sweep_->output();
    sweep_->forward(in, padded(n), out);
    if (!whole) std::copy_n(out, n, y.data() + begin);
  });
}

void BlockEvaluator::jacobian(const Expression& f, std::span<const float> x, std::span<const float> r,
                              std::span<float> y, std::span<float> dx, std::span<float> dc) {
  const size_t size = x.size();
  assert(r.empty() || r.size() == size);
  assert(y.size() == size && (dx.empty() || dx.size() == size));
  assert(dc.empty() || dc.size() == size * f.constant_count());
  struct Columns {
    Sweep& sweep;
    float* first;
    size_t size;
    size_t n;

    float* column(size_t k) const { return n % kBlockLanes == 0 ? first + k * size : nullptr; }
    void receive(size_t k, Sweep::Adjoint adjoint) const {
      if (adjoint.g == column(k)) return;
      if (column(k) != nullptr)
        return sweep.kernels().copy(adjoint.g, adjoint.scale, nullptr, nullptr, 0, 0, column(k), n);
      for (size_t i = 0; i < n; ++i) first[k * size + i] = adjoint.scale * adjoint.g[i];
    }
  };
  sweep_->prepare(f, r, {.dx = !dx.empty(), .dc = !dc.empty()});
  for_each_block(size, [&](size_t begin, size_t n) {
    const Sweep::Inputs in = sweep_->inputs(x, r, begin, n);
    sweep_->forward(in, padded(n), nullptr);
    const Columns columns{*sweep_, dc.empty() ? nullptr : dc.data() + begin, size, n};
    sweep_->reverse(in, {sweep_->ones(), 1}, padded(n), columns);
    std::copy_n(sweep_->result(), n, y.data() + begin);
    if (!dx.empty()) std::copy_n(sweep_->slope(0), n, dx.data() + begin);
  });
}

void BlockEvaluator::backward(const Expression& f, std::span<const float> x, std::span<const float> r,
                              std::span<const float> g, std::span<float> dx, std::span<float> dr,
                              std::span<double> dc) {
  assert(r.empty() || r.size() == x.size());
  assert(g.size() == x.size() && (dx.empty() || dx.size() == x.size()));
  assert(dr.empty() || dr.size() == x.size());
  assert(dc.empty() || dc.size() == f.constant_count());
  struct Sums {
    Sweep& sweep;
    std::span<double> totals;
    size_t n;

    float* column(size_t) const { return nullptr; }
    void receive(size_t k, Sweep::Adjoint adjoint) const {
      totals[k] += double{adjoint.scale} * sweep.kernels().sum(adjoint.g, n);
    }
  };
  sweep_->prepare(f, r, {!dx.empty(), !dr.empty(), !dc.empty()});
  for_each_block(x.size(), [&](size_t begin, size_t n) {
    const Sweep::Inputs in = sweep_->inputs(x, r, begin, n);
    const float* upstream = padded_input(g.data() + begin, n, sweep_->upstream());
    sweep_->forward(in, padded(n), nullptr);
    sweep_->reverse(in, {upstream, 1}, padded(n), Sums{*sweep_, dc, n});
    if (!dx.empty()) std::copy_n(sweep_->slope(0), n, dx.data() + begin);
    if (!dr.empty()) std::copy_n(sweep_->slope(1), n, dr.data() + begin);
  });
}

}  // namespace normgraft
