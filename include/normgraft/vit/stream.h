#pragma once

#include "normgraft/vit/vit.h"

namespace normgraft {

/// Takes the mean over channels out of everything that is written to the residual stream: the patch embedding, the tokens,
/// the position embedding, the outputs of attention and MLP. Whatever is read from the stream is read through a LayerNorm,
/// which takes that mean away itself, so the logits stay the same up to rounding; but a function of one variable in
/// LayerNorm's place then has the scale of a token left to guess and not its mean. LayerScale moves into the Linear before
/// it. (Known as the step from LayerNorm to RMSNorm, arXiv 2305.14858.)
void centre_stream(Vit& vit);

}  // namespace normgraft
