#pragma once

#include "normgraft/graft/graft.h"
#include "normgraft/quantize/grid.h"
#include "program_maker.h"

namespace normgraft {

/// The residual stream in whole numbers. Channel 0, where it tells r, has a step and a zero of its own.
struct StreamCodes {
  Codes codes;
  double told_step = 0;
  int64_t told_zero = 0;
};

/// How the y of a norm site is to be kept.
struct SiteToMake {
  size_t site = 0;
  IntegerGrid grid;      ///< of y; symmetric where the site is not f(x)
  int64_t rows = 0;      ///< the first rows alone are computed
  int factor_bits = 15;  ///< of the largest g; up to 8 it is a table
};

/// The step of a norm site whose gamma and beta are folded, and what it gives: x g(r), f(x) or LayerNorm.
/// Throws InputError naming a site whose function is of no such form, or which keeps its norm beside a
/// channel that tells r.
Codes add_norm_site(ProgramMaker& maker, const Graft& graft, const StreamCodes& stream,
                    const SiteToMake& wanted);

}  // namespace normgraft
