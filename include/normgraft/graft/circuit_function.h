#pragma once

#include "normgraft/circuit/circuit.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// y as the unit of a circuit gives it, in F32: x, and r where the circuit reads it, become codes, and the
/// code of y becomes a number. x is F32 of any shape; r is one number a token, [..., 1] for x [..., D], and
/// is not looked at where the circuit does not read it. No gradients. Throws InputError where r is missing.
Tensor circuit_function(const Circuit& circuit, const Tensor& x, const Tensor& r = {});

}  // namespace normgraft
