#pragma once

#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numbers>
#include <vector>

#include "block_kernels.h"
#include "normgraft/expr/block.h"

namespace normgraft {

/// Elements of a block: a handful of such arrays fit the first-level cache.
inline constexpr size_t kBlock = 512;
/// Distance of two block arrays: not a multiple of 4 KiB, at which stores and loads of different arrays
/// collide.
inline constexpr size_t kStride = kBlock + kBlockLanes;

inline size_t padded(size_t n) {
  return (n + kBlockLanes - 1) / kBlockLanes * kBlockLanes;
}

/// The block itself when it may be read up to its padded length, else a copy.
inline const float* padded_input(const float* block, size_t n, float* copy) {
  if (n % kBlockLanes == 0) return block;
  std::copy_n(block, n, copy);
  std::fill_n(copy + n, padded(n) - n, block[n - 1]);
  return copy;
}

/// A program made ready for blocks, and the memory it works in. Leaves cost nothing: operands refer to an
/// input, x or r, or carry their constant.
class BlockEvaluator::Sweep {
 public:
  enum class Kind : unsigned char { kNone, kInput, kConstant, kStep };

  struct Operand {
    Kind kind = Kind::kNone;
    float value = 0;   ///< of a constant
    size_t index = 0;  ///< of the input (x, r), of the constant, or of the step
  };

  struct Step {
    Op op;
    Shape shape;
    float c0, c1;
    Operand a, b;
    size_t constant;  ///< index of the first constant that the primitive carries
    size_t slot;      ///< where its value is
    bool varies;      ///< with anything that derivatives are wanted for
  };

  /// g times scale: what reaches a node in the reverse sweep. Linear steps only change the scale.
  struct Adjoint {
    const float* g;
    float scale;
  };

  struct Wanted {
    bool dx = false;
    bool dr = false;
    bool dc = false;
    bool any() const { return dx || dr || dc; }
  };

  /// One block of x and of r, padded; that of r null where it is not read.
  using Inputs = std::array<const float*, 2>;

  /// Throws InputError when f reads an r that is not there.
  void prepare(const Expression& f, std::span<const float> r, Wanted wanted);

  /// Values of one block of n elements into `out`, all arrays padded; result() has them when out is null.
  void forward(const Inputs& in, size_t n, float* out);
  const float* result() { return slot(steps_.back().slot); }

  /// Runs the program backwards after forward(in, n, nullptr); slope(i) receives what reaches input i, when
  /// wanted.
  /// `sink.receive(k, adjoint)` is told what reaches constant k; `sink.column(k)` is where it would like to
  /// have it, null for anywhere.
  template <typename Sink>
  void reverse(const Inputs& in, Adjoint root, size_t n, const Sink& sink);

  /// The block of n elements at `begin`, for arrays of any length and alignment.
  Inputs inputs(std::span<const float> x, std::span<const float> r, size_t begin, size_t n);

  float* slope(size_t input) { return slot(2 + input); }
  float* output() { return slot(4); }
  float* upstream() { return slot(5); }
  const float* ones() { return slot(6); }
  const BlockKernels& kernels() const { return kernels_; }

 private:
  static constexpr size_t kFixedSlots = 8;

  float* scratch() { return slot(7); }
  float* slot(size_t i) { return memory_.get() + i * kStride; }
  void reserve(size_t slots);
  bool varies(const Operand& operand) const;
  Operand push_step(const Instruction& i, Operand a, Operand b, size_t constant, size_t slot);
  const float* data(const Operand& operand, const Inputs& in);
  template <typename Sink>
  class Pull;

  const BlockKernels& kernels_ = block_kernels();
  hwy::AlignedFreeUniquePtr<float[]> memory_;
  size_t slots_ = 0;
  Wanted wanted_;
  std::vector<Step> steps_;
  std::vector<Operand> stack_;
  std::vector<Adjoint> adjoints_;
  size_t first_adjoint_ = 0;
};

inline const float* BlockEvaluator::Sweep::data(const Operand& operand, const Inputs& in) {
  if (operand.kind == Kind::kInput) return in[operand.index];
  return operand.kind == Kind::kStep ? slot(steps_[operand.index].slot) : nullptr;
}

inline void BlockEvaluator::Sweep::forward(const Inputs& in, size_t n, float* out) {
  for (const Step& step : steps_) {
    const BlockKernels::Apply apply =
        kernels_.apply[static_cast<size_t>(step.op)][static_cast<size_t>(step.shape)];
    float* value = out != nullptr && &step == &steps_.back() ? out : slot(step.slot);
    apply(data(step.a, in), data(step.b, in), step.c0, step.c1, value, n);
  }
}

inline BlockEvaluator::Sweep::Inputs BlockEvaluator::Sweep::inputs(std::span<const float> x,
                                                                   std::span<const float> r, size_t begin,
                                                                   size_t n) {
  return {padded_input(x.data() + begin, n, slot(0)),
          r.empty() ? nullptr : padded_input(r.data() + begin, n, slot(1))};
}

/// The reverse sweep's visit of one step: passes the step's adjoint on to its operands and constants.
template <typename Sink>
class BlockEvaluator::Sweep::Pull {
 public:
  Pull(Sweep& sweep, const Step& step, Adjoint adjoint, const Inputs& in, size_t n, const Sink& sink)
      : sweep_(sweep), step_(step), adjoint_(adjoint), in_(in), n_(n), sink_(sink) {}

  void run() {
    const BlockKernels& k = sweep_.kernels_;
    const Operand& a = step_.a;
    const Operand& b = step_.b;
    const float* va = sweep_.data(a, in_);
    const float* vb = sweep_.data(b, in_);
    const float* v = sweep_.slot(step_.slot);
    switch (step_.op) {
      case Op::kConstant:
        return sink_.receive(step_.constant, adjoint_);
      case Op::kX:
      case Op::kR:
        return linear(a, 1);
      case Op::kAdd:
        linear(a, 1);
        return linear(b, 1);
      case Op::kSub:
        linear(a, 1);
        return linear(b, -1);
      case Op::kNeg:
        return linear(a, -1);
      case Op::kMul:
        if (vb == nullptr) {
          linear(a, b.value);
        } else {
          through(a, k.times, 1, vb);
        }
        if (va == nullptr) return linear(b, a.value);
        return through(b, k.times, 1, va);
      case Op::kDiv:
        if (vb == nullptr) {
          linear(a, 1 / b.value);
          return through(b, k.times, -1 / b.value, v);
        }
        through(a, k.over, 1, vb);
        return through(b, k.times_over, -1, v, vb);
      case Op::kMin:
      case Op::kMax:
        return extremum(va, vb);
      case Op::kAbs:
        return through(a, k.sign, 1, va);
      case Op::kSquare:
        return through(a, k.times, 2, va);
      case Op::kClip:
        through(a, k.inside, 1, va, nullptr, step_.c0, step_.c1);
        through({Kind::kConstant, 0, step_.constant}, k.below, 1, va, nullptr, step_.c0, step_.c1);
        return through({Kind::kConstant, 0, step_.constant + 1}, k.above, 1, va, nullptr, step_.c0, step_.c1);
      case Op::kTanh:
        return through(a, k.tanh, 1, v);
      case Op::kSigmoid:
        return through(a, k.sigmoid, 1, v);
      case Op::kErf:
        return through(a, k.erf, 1, va);
      case Op::kSqrt:
        return through(a, k.over, 0.5F, v);
      case Op::kRsqrt:
        return through(a, k.cube, -0.5F, v);
      case Op::kExp:
        return through(a, k.times, 1, v);
      case Op::kLog:
        return through(a, k.over, 1, va);
      case Op::kExp2:
        return through(a, k.times, std::numbers::ln2_v<float>, v);
      case Op::kLog2:
        return through(a, k.over, std::numbers::log2e_v<float>, va);
    }
  }

 private:
  /// The left operand is taken where min has a <= b, max has a >= b.
  void extremum(const float* va, const float* vb) {
    const BlockKernels& k = sweep_.kernels_;
    const bool is_min = step_.op == Op::kMin;
    const float c = step_.c0;
    constexpr float kUnbounded = std::numeric_limits<float>::infinity();
    if (vb == nullptr) {
      through(step_.a, k.inside, 1, va, nullptr, is_min ? -kUnbounded : c, is_min ? c : kUnbounded);
      through(step_.b, is_min ? k.above : k.below, 1, va, nullptr, c, c);
    } else if (va == nullptr) {
      through(step_.a, k.inside, 1, vb, nullptr, is_min ? c : -kUnbounded, is_min ? kUnbounded : c);
      through(step_.b, is_min ? k.below : k.above, 1, vb, nullptr, c, c);
    } else {
      const float* p = is_min ? va : vb;
      const float* q = is_min ? vb : va;
      through(step_.a, k.at_most, 1, p, q);
      through(step_.b, k.not_at_most, 1, p, q);
    }
  }

  /// A partial that is the same everywhere.
  void linear(const Operand& operand, float partial) {
    if (sweep_.varies(operand)) deliver(operand, {adjoint_.g, adjoint_.scale * partial});
  }

  void through(const Operand& operand, BlockKernels::Pull partial, float factor, const float* p,
               const float* q = nullptr, float c0 = 0, float c1 = 0) {
    if (!sweep_.varies(operand)) return;
    float* out = destination(operand);
    partial(adjoint_.g, adjoint_.scale * factor, p, q, c0, c1, out, n_);
    deliver(operand, {out, 1});
  }

  float* destination(const Operand& operand) {
    if (operand.kind == Kind::kStep) return sweep_.slot(sweep_.first_adjoint_ + operand.index);
    float* column = operand.kind == Kind::kConstant ? sink_.column(operand.index) : nullptr;
    return column != nullptr ? column : sweep_.scratch();
  }

  void deliver(const Operand& operand, Adjoint adjoint) {
    if (operand.kind == Kind::kStep) {
      sweep_.adjoints_[operand.index] = adjoint;
    } else if (operand.kind == Kind::kConstant) {
      sink_.receive(operand.index, adjoint);
    } else {
      sweep_.kernels_.add(adjoint.g, adjoint.scale, nullptr, nullptr, 0, 0, sweep_.slope(operand.index), n_);
    }
  }

  Sweep& sweep_;
  const Step& step_;
  Adjoint adjoint_;
  const Inputs& in_;
  size_t n_;
  const Sink& sink_;
};

template <typename Sink>
void BlockEvaluator::Sweep::reverse(const Inputs& in, Adjoint root, size_t n, const Sink& sink) {
  if (wanted_.dx) std::fill_n(slope(0), n, 0.0F);
  if (wanted_.dr) std::fill_n(slope(1), n, 0.0F);
  adjoints_.back() = root;
  for (size_t s = steps_.size(); s-- > 0;) {
    if (steps_[s].varies) Pull<Sink>(*this, steps_[s], adjoints_[s], in, n, sink).run();
  }
}

}  // namespace normgraft
