#include "normgraft/expr/block.h"

#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <vector>

#include "block_kernels.h"

namespace normgraft {
namespace {

/// Elements of a block: a handful of such arrays fit the first-level cache.
constexpr size_t kBlock = 512;
/// Distance of two block arrays: not a multiple of 4 KiB, at which stores and loads of different arrays
/// collide.
constexpr size_t kStride = kBlock + kBlockLanes;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

size_t padded(size_t n) {
  return (n + kBlockLanes - 1) / kBlockLanes * kBlockLanes;
}

}  // namespace

/// A program made ready for blocks, and the memory it works in. Leaves cost nothing: operands refer to the
/// input or carry their constant.
class BlockEvaluator::Sweep {
 public:
  enum class Kind : unsigned char { kNone, kInput, kConstant, kStep };

  struct Operand {
    Kind kind = Kind::kNone;
    float value = 0;   ///< of a constant
    size_t index = 0;  ///< of the constant, or of the step
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
    bool dc = false;
    bool any() const { return dx || dc; }
  };

  void prepare(const Expression& f, Wanted wanted);

  /// Values of one block of n elements into `out`, all arrays padded; result() has them when out is null.
  void forward(const float* x, size_t n, float* out);
  const float* result() { return slot(steps_.back().slot); }

  /// Runs the program backwards after forward(x, n, nullptr); dx receives what reaches x, when wanted.
  /// `sink.receive(k, adjoint)` is told what reaches constant k; `sink.column(k)` is where it would like to
  /// have it, null for anywhere.
  template <typename Sink>
  void reverse(const float* x, Adjoint root, size_t n, float* dx, const Sink& sink);

  float* input() { return slot(0); }
  float* output() { return slot(1); }
  float* upstream() { return slot(2); }
  float* slope() { return slot(3); }
  const float* ones() { return slot(4); }
  const BlockKernels& kernels() const { return kernels_; }

 private:
  static constexpr size_t kFixedSlots = 6;

  float* scratch() { return slot(5); }
  float* slot(size_t i) { return memory_.get() + i * kStride; }
  void reserve(size_t slots);
  bool varies(const Operand& operand) const;
  Operand push_step(const Instruction& i, Operand a, Operand b, size_t constant, size_t slot);
  const float* data(const Operand& operand, const float* x);
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

void BlockEvaluator::Sweep::reserve(size_t slots) {
  if (slots <= slots_) return;
  memory_ = hwy::AllocateAligned<float>(slots * kStride);
  if (!memory_) throw std::bad_alloc();
  slots_ = slots;
  std::fill_n(slot(0), slots * kStride, 0.0F);
  std::fill_n(slot(4), kStride, 1.0F);
}

bool BlockEvaluator::Sweep::varies(const Operand& operand) const {
  switch (operand.kind) {
    case Kind::kInput:
      return wanted_.dx;
    case Kind::kConstant:
      return wanted_.dc;
    case Kind::kStep:
      return steps_[operand.index].varies;
    default:
      return false;
  }
}

BlockEvaluator::Sweep::Operand BlockEvaluator::Sweep::push_step(const Instruction& i, Operand a, Operand b,
                                                                size_t constant, size_t slot) {
  Step step{i.op, Shape::kArrays, i.c[0], i.c[1], a, b, constant, slot, false};
  if (a.kind == Kind::kConstant) {
    step.shape = Shape::kConstantArray;
    step.c0 = a.value;
  } else if (b.kind == Kind::kConstant) {
    step.shape = Shape::kArrayConstant;
    step.c0 = b.value;
  }
  const bool own_constants = i.op == Op::kConstant || i.op == Op::kClip;
  step.varies = varies(a) || varies(b) || (wanted_.dc && own_constants);
  steps_.push_back(step);
  return {Kind::kStep, 0, steps_.size() - 1};
}

void BlockEvaluator::Sweep::prepare(const Expression& f, Wanted wanted) {
  wanted_ = wanted;
  steps_.clear();
  stack_.clear();
  size_t constant = 0;
  // Values are kept for the reverse sweep, else they share the slots of a stack.
  const auto next_slot = [&] { return kFixedSlots + (wanted.any() ? steps_.size() : stack_.size()); };
  const auto pop = [&](int arity, int at_least) {
    if (arity < at_least) return Operand{};
    const Operand top = stack_.back();
    stack_.pop_back();
    return top;
  };
  // A constant that has no array beside it becomes one.
  const auto as_array = [&](Operand operand) {
    if (operand.kind != Kind::kConstant) return operand;
    return push_step({Op::kConstant, {operand.value, 0}}, {}, {}, operand.index, next_slot());
  };
  for (const Instruction& i : f.program()) {
    const Primitive& p = primitive(i.op);
    if (i.op == Op::kX) {
      stack_.push_back({Kind::kInput, 0, 0});
    } else if (i.op == Op::kConstant) {
      stack_.push_back({Kind::kConstant, i.c[0], constant});
    } else {
      const Operand b = pop(p.arity, 2);
      Operand a = pop(p.arity, 1);
      if (p.arity == 1 || b.kind == Kind::kConstant) a = as_array(a);
      stack_.push_back(push_step(i, a, b, constant, next_slot()));
    }
    constant += p.constants;
  }
  const Operand root = as_array(pop(1, 1));
  if (root.kind == Kind::kInput) push_step({Op::kX, {0, 0}}, root, {}, 0, kFixedSlots);
  first_adjoint_ = kFixedSlots + f.size();
  adjoints_.assign(steps_.size(), {});
  reserve(first_adjoint_ + (wanted.any() ? steps_.size() : 0));
}

const float* BlockEvaluator::Sweep::data(const Operand& operand, const float* x) {
  if (operand.kind == Kind::kInput) return x;
  return operand.kind == Kind::kStep ? slot(steps_[operand.index].slot) : nullptr;
}

void BlockEvaluator::Sweep::forward(const float* x, size_t n, float* out) {
  for (const Step& step : steps_) {
    const BlockKernels::Apply apply =
        kernels_.apply[static_cast<size_t>(step.op)][static_cast<size_t>(step.shape)];
    float* value = out != nullptr && &step == &steps_.back() ? out : slot(step.slot);
    apply(data(step.a, x), data(step.b, x), step.c0, step.c1, value, n);
  }
}

/// The reverse sweep's visit of one step: passes the step's adjoint on to its operands and constants.
template <typename Sink>
class BlockEvaluator::Sweep::Pull {
 public:
  Pull(Sweep& sweep, const Step& step, Adjoint adjoint, const float* x, size_t n, float* dx, const Sink& sink)
      : sweep_(sweep), step_(step), adjoint_(adjoint), x_(x), n_(n), dx_(dx), sink_(sink) {}

  void run() {
    const BlockKernels& k = sweep_.kernels_;
    const Operand& a = step_.a;
    const Operand& b = step_.b;
    const float* va = sweep_.data(a, x_);
    const float* vb = sweep_.data(b, x_);
    const float* v = sweep_.slot(step_.slot);
    switch (step_.op) {
      case Op::kConstant:
        return sink_.receive(step_.constant, adjoint_);
      case Op::kX:
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
    }
  }

 private:
  /// The left operand is taken where min has a <= b, max has a >= b.
  void extremum(const float* va, const float* vb) {
    const BlockKernels& k = sweep_.kernels_;
    const bool is_min = step_.op == Op::kMin;
    const float c = step_.c0;
    if (vb == nullptr) {
      through(step_.a, k.inside, 1, va, nullptr, is_min ? -kInfinity : c, is_min ? c : kInfinity);
      through(step_.b, is_min ? k.above : k.below, 1, va, nullptr, c, c);
    } else if (va == nullptr) {
      through(step_.a, k.inside, 1, vb, nullptr, is_min ? c : -kInfinity, is_min ? kInfinity : c);
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
      sweep_.kernels_.add(adjoint.g, adjoint.scale, nullptr, nullptr, 0, 0, dx_, n_);
    }
  }

  Sweep& sweep_;
  const Step& step_;
  Adjoint adjoint_;
  const float* x_;
  size_t n_;
  float* dx_;
  const Sink& sink_;
};

template <typename Sink>
void BlockEvaluator::Sweep::reverse(const float* x, Adjoint root, size_t n, float* dx, const Sink& sink) {
  if (wanted_.dx) std::fill_n(dx, n, 0.0F);
  adjoints_.back() = root;
  for (size_t s = steps_.size(); s-- > 0;) {
    if (steps_[s].varies) Pull<Sink>(*this, steps_[s], adjoints_[s], x, n, dx, sink).run();
  }
}

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

/// The block itself when it may be read up to its padded length, else a copy.
const float* padded_input(const float* block, size_t n, float* copy) {
  if (n % kBlockLanes == 0) return block;
  std::copy_n(block, n, copy);
  std::fill_n(copy + n, padded(n) - n, block[n - 1]);
  return copy;
}

}  // namespace

void BlockEvaluator::values(const Expression& f, std::span<const float> x, std::span<float> y) {
  assert(x.size() == y.size());
  sweep_->prepare(f, {});
  for_each_block(x.size(), [&](size_t begin, size_t n) {
    const bool whole = n % kBlockLanes == 0;
    const float* in = padded_input(x.data() + begin, n, sweep_->input());
    float* out = whole ? y.data() + begin : sweep_->output();
    sweep_->forward(in, padded(n), out);
    if (!whole) std::copy_n(out, n, y.data() + begin);
  });
}

void BlockEvaluator::jacobian(const Expression& f, std::span<const float> x, std::span<float> y,
                              std::span<float> dx, std::span<float> dc) {
  const size_t size = x.size();
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
  sweep_->prepare(f, {!dx.empty(), !dc.empty()});
  for_each_block(size, [&](size_t begin, size_t n) {
    const float* in = padded_input(x.data() + begin, n, sweep_->input());
    sweep_->forward(in, padded(n), nullptr);
    const Columns columns{*sweep_, dc.empty() ? nullptr : dc.data() + begin, size, n};
    sweep_->reverse(in, {sweep_->ones(), 1}, padded(n), sweep_->slope(), columns);
    std::copy_n(sweep_->result(), n, y.data() + begin);
    if (!dx.empty()) std::copy_n(sweep_->slope(), n, dx.data() + begin);
  });
}

void BlockEvaluator::backward(const Expression& f, std::span<const float> x, std::span<const float> g,
                              std::span<float> dx, std::span<double> dc) {
  assert(g.size() == x.size() && (dx.empty() || dx.size() == x.size()));
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
  sweep_->prepare(f, {!dx.empty(), !dc.empty()});
  for_each_block(x.size(), [&](size_t begin, size_t n) {
    const float* in = padded_input(x.data() + begin, n, sweep_->input());
    const float* upstream = padded_input(g.data() + begin, n, sweep_->upstream());
    sweep_->forward(in, padded(n), nullptr);
    sweep_->reverse(in, {upstream, 1}, padded(n), sweep_->slope(), Sums{*sweep_, dc, n});
    if (!dx.empty()) std::copy_n(sweep_->slope(), n, dx.data() + begin);
  });
}

}  // namespace normgraft
