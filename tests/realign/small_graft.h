#pragma once

#include "normgraft/graft/graft.h"
#include "support/small_model.h"

namespace normgraft::testing {

/// small_vit with one function at every site.
inline Graft small_graft() {
  Graft graft(small_vit());
  for (const Site& site : graft.network().sites())
    graft.set_function(site.name, Expression::parse("clip(0.6*x, -1.2, 1.3)"));
  return graft;
}

}  // namespace normgraft::testing
