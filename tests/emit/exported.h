#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "normgraft/core/files.h"
#include "normgraft/emit/exporter.h"

namespace normgraft::testing {

using FunctionMap = std::map<std::string, Expression>;

/// gamma and beta, D = 1, for each site.
inline ExportTensors tensors_for(const FunctionMap& functions) {
  static constexpr std::array kOne = {1.0F};
  ExportTensors tensors;
  for (const auto& [site, f] : functions) tensors[site + ".weight"] = tensors[site + ".bias"] = {{1}, kOne};
  return tensors;
}

/// A channel that tells r in [low, high] at each site.
inline std::map<std::string, Carried> channels_for(const FunctionMap& functions, double low, double high) {
  std::map<std::string, Carried> carried;
  for (const auto& [site, f] : functions) carried[site] = {.channel = true, .low = low, .high = high};
  return carried;
}

/// Writes the functions for PyTorch into `folder`.
inline void export_to_torch(const FunctionMap& functions, const Path& folder) {
  exporter("torch").write({functions, {}, tensors_for(functions)}, folder);
}

/// Runs tests/emit/SCRIPT with the folder that holds graft.py as its argument; fails with what it said.
inline void run_script(const std::string& script, const Path& folder) {
  const std::string command = fmt::format("/usr/bin/python3 {0}/tests/emit/{1} {2} > {2}/said.txt 2>&1",
                                          NORMGRAFT_SOURCE_DIR, script, folder.string());
  ASSERT_EQ(std::system(command.c_str()), 0) << read_file(folder / "said.txt", "output");
}

inline std::vector<double> read_doubles(const Path& path) {
  const std::string bytes = read_file(path, "values");
  std::vector<double> values(bytes.size() / sizeof(double));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(double));
  return values;
}

/// The functions' values in PyTorch, in the order of the map, each at all points.
struct PyTorchValues {
  std::vector<double> in_double;
  std::vector<double> in_float;
};

inline void write_doubles(const Path& path, const std::vector<double>& values) {
  write_atomically(path, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)});
}

/// What graft.py in `folder` computes; of two variables where there is an r.f64 beside it.
inline PyTorchValues evaluated(const std::vector<double>& points, const Path& folder) {
  write_doubles(folder / "points.f64", points);
  run_script("evaluate.py", folder);
  if (::testing::Test::HasFatalFailure()) return {};
  return {read_doubles(folder / "float64.f64"), read_doubles(folder / "float32.f64")};
}

inline PyTorchValues values_in_pytorch(const FunctionMap& functions, const std::vector<double>& points,
                                       const Path& folder) {
  export_to_torch(functions, folder);
  return evaluated(points, folder);
}

}  // namespace normgraft::testing
