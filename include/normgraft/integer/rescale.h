#pragma once

#include "normgraft/integer/program.h"

namespace normgraft {

/// The rescale that is nearest to multiplying by a number. Throws std::logic_error for one whose magnitude is
/// 2^31 or more, or not finite.
Rescale rescale_by(double factor);

}  // namespace normgraft
