#pragma once

#include "normgraft/core/monitor.h"
#include "normgraft/data/image.h"

namespace normgraft {

/// The embedded picture set: `classes` shapes and textures drawn in random colours, positions, sizes and
/// rotations over clutter and noise, so that pixels alone do not give the class away. Deterministic: a
/// picture depends on its class, its index and the seed only.
inline constexpr int kProceduralClasses = 12;

/// Name of a class, "00-disc".
std::string procedural_class_name(int class_index);

/// Draws one 64 x 64 picture.
Image draw_procedural(int class_index, int64_t index, uint64_t seed);

/// Writes an ImageFolder tree of PNGs, `per_class` pictures in each class.
void write_procedural_set(const Path& root, int64_t per_class, uint64_t seed, Monitor& monitor);

}  // namespace normgraft
