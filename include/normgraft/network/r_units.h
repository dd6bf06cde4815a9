#pragma once

#include "normgraft/network/network.h"

namespace normgraft {

// A linear function of what enters a writer tells r well, but not where s bends: at attention sinks, whose
// spread an MLP multiplies at once, and at class tokens. So r may have a few hidden units of each MLP to
// itself: r += v . activation(W z + b), beside u . a + c. They are more rows of the MLP's first Linear and
// more columns of its second one, which only r, in row 0, reads.

/// Gives every MLP that can take them so many hidden units that nothing reads yet; a network whose writers
/// have none (Writer::hidden) is left as it is. What the network computes stays the same. Each site whose
/// writer has them says so (Carried::units). Channel 0 must be free (free_channel).
void add_r_units(Network& network, int64_t units);

/// A forty-eighth of the hidden units that MLPs have, rounded up: a little more than the 50th part of their
/// multiplications. 0 where no MLP can take any.
int64_t default_r_units(const Network& network);

/// The units of all writers together. Throws InputError naming a site that says to have units which its
/// writer lacks.
int64_t check_r_units(const Network& network);

/// Throws InputError naming a tensor by which others than r read its units, as training of all weights lets
/// them.
void check_r_units_are_its_own(const Network& network);

/// Multiplications and additions for one picture that the network's products have more than without a
/// channel that tells r: those of units, 4 D for each of them and each token, and of the squares at the first
/// site (first_carrier.h), 2 D + 3 each.
double telling_ops(const Network& network);

}  // namespace normgraft
