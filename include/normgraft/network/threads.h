#pragma once

namespace normgraft {

/// Gives LibTorch `threads` threads (0: all cores). They call the BLAS from each, so its own pool is set to
/// one thread: two pools would compete for the cores.
void set_network_threads(int threads);

}  // namespace normgraft
