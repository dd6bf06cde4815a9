#pragma once

#include <string>

#include "normgraft/core/monitor.h"
#include "normgraft/data/loader.h"
#include "normgraft/mapping/mapping.h"
#include "normgraft/vit/vit.h"

namespace normgraft {

/// What a pair weighs.
enum class Weights : uint8_t {
  kNone,    ///< 1
  kFisher,  ///< what an error of y there costs the network
};

struct CaptureOptions {
  size_t bins = 2048;                  ///< of x for each site, 16 to 65,536
  Weights weights = Weights::kFisher;
  int probes = 3;    ///< gradients drawn for each picture under Fisher weights, 1 to 1000
  uint64_t seed = 1; ///< of the probes

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

/// Runs the model over the pictures and records what each LayerNorm does to its input: the mappings of every
/// norm site. Memory does not grow with the number of pictures. The result depends on the pictures and their
/// order only, not on threads nor on the size of batches as long as it is even. `picture_count` is for the progress line.
///
/// A Fisher weight is the mean over probes of g^2, where g = d(v . logits)/dy at the site's output before
/// gamma and beta, and v is drawn so that the expectation of v v' is diag(p) - p p' for the model's own
/// prediction p: the diagonal of the Fisher information, without labels. So 1/2 sum w (f(x) - y)^2 over the
/// pairs of a picture is the divergence KL(model || graft), in nats, that f causes there, to second order and
/// without the correlations of the errors. Parameters get no gradients. Throws InputError when the model has
/// no classes to predict.
Mappings capture(const Vit& vit, Loader& pictures, int64_t picture_count, const CaptureOptions& options,
                 Monitor& monitor);

/// Bytes that capture() needs for `batch` pictures beside the model and the mappings: what is kept of all sites
/// until it is added to the mappings, and the graphs of the pictures being differentiated.
int64_t capture_bytes(const Vit& vit, Weights weights, int64_t batch);

/// The largest even batch, from 2 to 32 pictures, with capture_bytes() of at most `bytes`; 2 when none.
int64_t capture_batch(const Vit& vit, Weights weights, int64_t bytes = int64_t{512} << 20);

}  // namespace normgraft
