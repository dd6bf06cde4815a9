#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "family.h"
#include "normgraft/models/vit.h"
#include "timm_config.h"
#include "timm_names.h"

namespace normgraft {

/// What a config and its tensors say of sizes of pictures and of the table of positions, `pos_embed`.
struct SaidSizes {
  ConfigFields arguments, pretrained;
  const TimmFacts* facts;  ///< of the architecture's name, or null
};

/// Sets the input size, and whether the class token and its like have positions: what the option says, else
/// the config, else a square that the table fits, which is announced. A table of another grid of patches is
/// resampled, which is announced too. Everything else that the tensors show must stand in `config`. Throws
/// InputError naming the file where the table's grid cannot be told.
void settle_positions(VitConfig& config, Tensors& tensors, const Path& file, const SaidSizes& said,
                      std::optional<std::array<int64_t, 2>> input_size, Monitor& monitor);

/// A table of positions [1, prefix + rows * columns, D] for another grid, as timm does when it loads a
/// checkpoint: bicubic with antialiasing, or bilinear without. The positions ahead of the patches stay.
Tensor resample_positions(const Tensor& table, int64_t prefix, std::array<int64_t, 2> from,
                          std::array<int64_t, 2> to, bool bilinear);

}  // namespace normgraft
