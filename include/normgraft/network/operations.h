#pragma once

#include <string>

#include "normgraft/network/kernels.h"
#include "normgraft/network/site.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// What a number is for, where it is kept between two operations of a network.
enum class Kept : uint8_t {
  kStream,     ///< x of a norm site
  kTold,       ///< r of a norm site, in channel 0 of the stream
  kOperand,    ///< what enters a Linear; queries, keys and values
  kAttention,  ///< the numerators of a softmax, exp(score - largest score), 0 to 1
  kInner,      ///< between a Linear and an activation, and scores
};

/// How the numbers of a network are kept. Immutable, and called from several threads at once.
class Arithmetic {
 public:
  virtual ~Arithmetic() = default;
  /// x [..., d] as it is kept at a place; a place has the same name in each pass.
  virtual Tensor kept(Kept kind, const std::string& place, const Tensor& x) const = 0;
};

/// The operations of a network on its tensors, in an arithmetic. Without one, all is F32 and differentiable.
class Operations {
 public:
  explicit Operations(const Tensors& tensors, const Arithmetic* arithmetic = nullptr)
      : tensors_(tensors), arithmetic_(arithmetic) {}

  const Tensors& tensors() const { return tensors_; }

  /// x as the arithmetic keeps it.
  Tensor keep(Kept kind, const std::string& place, const Tensor& x) const {
    return arithmetic_ == nullptr ? x : arithmetic_->kept(kind, place, x);
  }

  /// x [..., in] -> [..., out]. The place of x is the name of the weight.
  Tensor linear(const LinearNames& names, const Tensor& x) const;

  /// linear() and an activation behind it; the place between them is `place`.
  Tensor activated(const std::string& activation, const std::string& place, const LinearNames& names,
                   const Tensor& x) const;

  /// qkv [B, N, 3 D] as attention() takes it -> [B, N, D]. Its places are `place` with ".q", ".k", ".v",
  /// ".scores" and ".softmax". The numerators of the softmax are kept, and their sum divides what they weigh.
  Tensor attention(const std::string& place, const Tensor& qkv, int64_t heads) const;

 private:
  const Tensors& tensors_;
  const Arithmetic* arithmetic_;
};

}  // namespace normgraft
