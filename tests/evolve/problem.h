#pragma once

#include "search.h"

namespace normgraft {

/// What a search of one site needs, in one place.
struct Problem {
  explicit Problem(Samples site_samples, EvolveOptions asked = {})
      : options(std::move(asked)),
        functions(function_set(options.function_set)),
        samples(std::move(site_samples)),
        seen{samples.x.front(), samples.x.back()} {}

  SearchProblem get() const {
    return {.options = options,
            .functions = functions,
            .cost = cost,
            .samples = samples,
            .rules = {functions.free_clip_bounds, options.grid()},
            .starts = {},
            .seen = seen,
            .channels = channels,
            .carried = carried,
            .negligible = negligible,
            .x_scale = 1,
            .stream = 7};
  }

  EvolveOptions options;
  FunctionSet functions;
  PairCost cost{flops_profile(kSearchClipCost), SiteMapping{}};
  Samples samples;
  Interval seen;
  int64_t channels = 10;
  Carried carried = {};
  double negligible = 0;
};

}  // namespace normgraft
