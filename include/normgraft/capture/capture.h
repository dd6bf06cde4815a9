#pragma once

#include <functional>

#include "normgraft/capture/options.h"
#include "normgraft/core/monitor.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

class Loader;
class Network;

/// The mappings of every norm site over the pictures (for_each_pairs), `picture_count` of them in the
/// loader's list; `fold` says for which purpose one, by its position there, may be used. Where the mean of a
/// token carries its scale (Site::carried), the pairs are (x, y + carried_offset): y is only known up to a
/// number for all channels there, and with this one it is a function of x. Where a channel tells the spread s
/// (Carried::channel), the pairs are (log s, 1 / s), one for each token: what r should be, so that a function
/// follows the carrier's meaning and not its errors. Throws InputError where a fold stays empty because its
/// pictures could not be read.
Mappings capture(const Network& network, Loader& pictures, int64_t picture_count,
                 const std::function<Fold(int64_t position)>& fold, const CaptureOptions& options,
                 Monitor& monitor);

}  // namespace normgraft
