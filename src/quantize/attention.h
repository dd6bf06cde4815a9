#pragma once

#include <string>

#include "program_maker.h"

namespace normgraft {

/// How far the numbers of an attention reach: the largest magnitudes of each channel, F64 [D], heads side by
/// side.
struct AttentionReach {
  Tensor query, key, value, attended;
};

/// Steps for qkv [3 D] and for what is attended [D], in 8 bits and in `attended_bits`. Each channel of
/// queries and of keys has a step of its own, and their product is the same for all, as one sum needs; values
/// and what is attended differ by one factor. So the Linears beside them take them up.
struct AttentionSteps {
  Tensor qkv, attended;
  double score = 0;  ///< a product of a step of q and one of k
  double ratio = 0;  ///< of a step of what is attended to that of values
};
AttentionSteps attention_steps(const AttentionReach& reach, int attended_bits);

/// The step at a place, from qkv to what is attended.
void add_attention(ProgramMaker& maker, const std::string& place, const Codes& qkv, const Codes& attended,
                   const AttentionSteps& steps, int64_t heads, int exp_bits);

}  // namespace normgraft
