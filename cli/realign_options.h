#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "normgraft/realign/realign.h"

namespace normgraft::cli {

/// What the command line says of training; what it does not say comes from the recipe, else from the
/// defaults.
struct TrainingFlags {
  std::string mode = "distill";
  std::optional<std::string> recipe;
  std::optional<int64_t> epochs, batch;
  std::optional<double> rate, r_rate, weight_decay, warmup, drop_path, temperature, label_weight, hint,
      held_out;
  std::optional<uint64_t> seed;

  void add_to(CLI::App& command);
  RealignOptions options(int threads) const;
};

}  // namespace normgraft::cli
