#include "positions.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "normgraft/core/error.h"
#include "vit_tensors.h"

namespace normgraft {
namespace {

using Size = std::array<int64_t, 2>;  ///< height and width, or rows and columns

int64_t area(const Size& size) {
  return size[0] * size[1];
}

/// A square of that many patches.
std::optional<Size> square(int64_t patches) {
  if (patches <= 0) return std::nullopt;
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(patches))));
  return side * side == patches ? std::optional(Size{side, side}) : std::nullopt;
}

std::optional<Size> pretrained_size(const ConfigFields& pretrained) {
  const auto size = pretrained.three("input_size");
  if (!size) return std::nullopt;
  const auto valid = [](double v) { return v >= 1 && v <= 1 << 16 && v == std::floor(v); };
  if ((*size)[0] != 3 || !valid((*size)[1]) || !valid((*size)[2]))
    pretrained.fail("input_size", "[3, height, width]");
  return Size{static_cast<int64_t>((*size)[1]), static_cast<int64_t>((*size)[2])};
}

/// The picture that the table was made for, and the one that the network is to see.
struct Sizes {
  std::optional<Size> table, input;
};

Sizes said_sizes(const SaidSizes& said) {
  const std::optional<Size> built = said.arguments.size("img_size"), input = pretrained_size(said.pretrained);
  const bool by_name = said.facts != nullptr && said.facts->has(TimmFacts::kAnySize);
  const bool any_size = said.arguments.flag("dynamic_img_size").value_or(by_name) ||
                        !said.pretrained.flag("fixed_input_size").value_or(true);
  return {built ? built : input, built && !(any_size && input) ? built : input};
}

/// How a table of so many positions is laid out: its grid, and those ahead of it.
struct Layout {
  Size grid{};
  int64_t prefix = 0;
};

std::optional<Layout> layout_with(int64_t positions, int64_t prefix, const std::optional<Size>& grid) {
  if (grid && area(*grid) == positions - prefix) return Layout{*grid, prefix};
  if (const auto side = square(positions - prefix)) return Layout{*side, prefix};
  return std::nullopt;
}

/// With tokens ahead of the patches, `prefix` of them, that may have positions or not.
std::optional<Layout> find_layout(int64_t positions, int64_t prefix, const std::optional<Size>& grid,
                                  const SaidSizes& said) {
  if (const auto patches_only = said.arguments.flag("no_embed_class")) {
    return layout_with(positions, *patches_only ? 0 : prefix, grid);
  }
  if (grid && area(*grid) == positions) return Layout{*grid, 0};
  if (grid && area(*grid) == positions - prefix) return Layout{*grid, prefix};
  if (said.facts != nullptr) {
    return layout_with(positions, said.facts->has(TimmFacts::kPatchPositions) ? 0 : prefix, grid);
  }
  const auto all = layout_with(positions, prefix, grid);
  return all ? all : layout_with(positions, 0, grid);
}

}  // namespace

void settle_positions(VitConfig& config, Tensors& tensors, const Path& file, const SaidSizes& said,
                      std::optional<Size> input_size, Monitor& monitor) {
  const Size patch{config.patch_height, config.patch_width};
  const auto grid_of = [&](const Size& size) { return Size{size[0] / patch[0], size[1] / patch[1]}; };
  const Sizes sizes = said_sizes(said);
  const std::optional<Size> wanted = input_size ? input_size : sizes.input;
  const auto set_input = [&](const Size& size) {
    config.height = size[0];
    config.width = size[1];
  };
  if (!config.positions) {
    if (!wanted) {
      throw InputError(
          fmt::format("checkpoint {}: without pos_embed, and no config says the input_size", file.string()));
    }
    set_input(*wanted);
    return;
  }
  Tensor& table = tensors.at("pos_embed");
  if (table.dim() != 3) {
    throw InputError(fmt::format("checkpoint {}: tensor \"pos_embed\" has {} dimensions, expected 3",
                                 file.string(), table.dim()));
  }
  const int64_t positions = table.size(1), prefix = vit_prefix_tokens(config);
  const auto grid = sizes.table ? std::optional(grid_of(*sizes.table)) : std::nullopt;
  const auto layout = find_layout(positions, prefix, grid, said);
  if (!layout) {
    throw InputError(
        fmt::format("checkpoint {}: {} positions of pos_embed are no square of patches, and no config says "
                    "an input_size or "
                    "img_size that they fit",
                    file.string(), positions));
  }
  config.position_after_class_token = prefix == 0 || layout->prefix > 0;
  if (wanted) {
    set_input(*wanted);
  } else {
    set_input({layout->grid[0] * patch[0], layout->grid[1] * patch[1]});
    monitor.notice(
        fmt::format("the checkpoint does not say its input size: using {}x{}, from pos_embed and patch size",
                    config.height, config.width));
  }
  const Size to = grid_of({config.height, config.width});
  if (to == layout->grid || area(to) == 0) return;  // less than a patch is refused with the configuration
  const bool bilinear = said.facts != nullptr && said.facts->has(TimmFacts::kBilinear);
  table = resample_positions(table, layout->prefix, layout->grid, to, bilinear);
  monitor.notice(fmt::format("positions resampled from {}x{} to {}x{} patches", layout->grid[0],
                             layout->grid[1], to[0], to[1]));
}

Tensor resample_positions(const Tensor& table, int64_t prefix, Size from, Size to, bool bilinear) {
  const Tensor grid =
      table.slice(1, prefix).reshape({1, from[0], from[1], table.size(2)}).permute({0, 3, 1, 2});
  const Tensor other =
      bilinear ? at::upsample_bilinear2d(grid, to, false) : at::_upsample_bicubic2d_aa(grid, to, false);
  return at::cat(
      {table.slice(1, 0, prefix), other.permute({0, 2, 3, 1}).reshape({1, area(to), table.size(2)})}, 1);
}

}  // namespace normgraft
