#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "normgraft/capture/options.h"
#include "normgraft/core/monitor.h"
#include "normgraft/data/loader.h"
#include "normgraft/network/network.h"

namespace normgraft {

/// What a few pictures left at one site, y before gamma and beta: [B, N, D], or [B, D] behind the pooling.
struct SitePairs {
  Tensor x, y;
  Tensor weight;                  ///< undefined: all 1
  Tensor token_weight;            ///< [B, N], where the site carries a channel, of relative errors of a token
  std::vector<int64_t> pictures;  ///< [B] their positions in the loader's list
};

/// Called for one site with the pairs of some pictures: for each site in the order of pictures and never at
/// the same time, for different sites from different threads.
using PairReceiver = std::function<void(size_t site, const SitePairs& pairs)>;

/// Runs the model over the pictures and hands out what each LayerNorm does to its input. Memory does not grow
/// with the number of pictures, and what is handed out does not depend on threads nor on the size of batches
/// as long as it is even. `stage` and `picture_count` are for the progress line. Returns the pictures seen.
///
/// A Fisher weight is the mean over probes of g^2, where g = d(v . logits)/dy at the site's output before
/// gamma and beta, and v is drawn so that the expectation of v v' is diag(p) - p p' for the model's own
/// prediction p: the diagonal of the Fisher information, without labels. So 1/2 sum w (f(x) - y)^2 over the
/// pairs of a picture is the divergence KL(model || graft), in nats, that f causes there, to second order and
/// without the correlations of the errors. A weight of a token is the mean over probes of
/// (sum over channels of g x)^2: the same for an error that is e x, with x but for its carrier. Parameters
/// get no gradients. Throws InputError as check_weights() does, or when there was no picture.
int64_t for_each_pairs(const Network& network, Loader& pictures, int64_t picture_count,
                       const PairOptions& options, const std::string& stage, const PairReceiver& receive,
                       Monitor& monitor);

/// Throws InputError, naming `stage`, for weights by the answers of a network that tells fewer than two
/// classes apart.
void check_weights(const Network& network, Weights weights, const std::string& stage);

/// Bytes that for_each_pairs() needs for `batch` pictures beside the model: what is kept of all sites until
/// it is handed out, and the graphs of the pictures being differentiated.
int64_t pairs_bytes(const Network& network, Weights weights, int64_t batch);

/// The largest even batch, from 2 to 32 pictures, with pairs_bytes() of at most `bytes`; 2 when none.
int64_t pairs_batch(const Network& network, Weights weights, int64_t bytes = int64_t{512} << 20);

}  // namespace normgraft
