#pragma once

#include <memory>
#include <string>
#include <vector>

#include "normgraft/core/files.h"
#include "normgraft/data/preprocess.h"
#include "normgraft/network/operations.h"
#include "normgraft/network/site.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// What a family of networks does between its norm sites. Shapes: B pictures, N tokens, D channels.
/// Immutable, and called from several threads at once. All functions are differentiable in the tensors and in
/// their arguments.
///
/// A network is a walk along its sites (Network): `embed` gives the x of the first one. Behind a site, the
/// next x is the trunk plus the next site's writer applied to `branch`; where the next site has no writer, it
/// is the normalised tokens themselves. `head` turns what the last site gives into the result.
class Architecture {
 public:
  virtual ~Architecture() = default;

  /// The name under which the checkpoint was published, "deit_tiny_patch16_224".
  virtual std::string name() const = 0;
  /// Classes predicted; 0: the network ends in features.
  virtual int64_t classes() const = 0;
  /// The names of their picture folders, in the order of the logits, where the checkpoint says them; else
  /// empty.
  virtual std::vector<std::string> class_names() const = 0;
  /// At least one, in the order of the walk.
  virtual std::vector<Site> sites() const = 0;
  /// Tokens ahead of those that stand for patches.
  virtual int64_t prefix_tokens() const = 0;
  /// Tensors that are added to every token of the stream before the first site: [..., D], or [D, ...] when
  /// their name ends in ".weight" or ".bias". Taking the mean over channels out of all of them takes it out
  /// of the stream there.
  virtual std::vector<std::string> embedding_tensors() const = 0;
  /// Whether turning the basis of the channels of all embedding_tensors() turns the tokens ahead of the first
  /// site: nothing else writes to them.
  virtual bool embedding_turns() const { return false; }

  /// Pictures [B, 3, height, width], normalised -> x of the first site [B, N, D].
  virtual Tensor embed(const Operations& with, const Tensor& images) const = 0;
  /// What enters the writer behind a site, from the site's gamma * y + beta [B, N, D]: [B, N, in].
  virtual Tensor branch(const Operations& with, size_t site, const Tensor& normalised) const = 0;
  /// [B, N, D] -> [B, D], ahead of a last site that is pooled.
  virtual Tensor pool(const Tensor& x) const = 0;
  /// How many of the first tokens `head` reads, where the last site is not pooled; 0: all.
  virtual int64_t tokens_read() const = 0;
  /// What the last site gives, [B, tokens, D] or pooled [B, D] -> logits [B, classes], or features.
  virtual Tensor head(const Operations& with, const Tensor& normalised) const = 0;

  /// Facts for a reader, by name: depth, heads, ...
  virtual Json facts() const = 0;
  /// The content of config.json with which the family's own code builds the network of these tensors, which
  /// it may bring into the form that this code expects.
  virtual Json config(Tensors& tensors, const Preprocessing& preprocessing) const = 0;
};

}  // namespace normgraft
