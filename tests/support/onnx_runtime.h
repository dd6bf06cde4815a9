#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "normgraft/core/files.h"
#include "support/temporary_folder.h"

namespace normgraft::testing {

inline int run_onnx_script(const std::string& arguments) {
  return std::system(
      fmt::format("/usr/bin/python3 {}/tests/oracle/onnx_run.py {}", NORMGRAFT_SOURCE_DIR, arguments)
          .c_str());
}

/// Whether onnx and ONNX Runtime are there; tests that need them skip themselves where not.
inline bool onnx_runtime_available() {
  static const bool available = run_onnx_script("2> /dev/null") == 0;
  return available;
}

inline constexpr const char* kNoOnnxRuntime =
    "onnx or onnxruntime is absent (scripts/install-dependencies.sh --tests)";

/// What ONNX Runtime makes of a batch, and what tests/oracle/onnx_run.py says of the file.
struct OnnxRun {
  std::vector<float> values;
  Json facts;
};

/// Checks an ONNX file and runs it; the input's numbers are of the type that the file asks for.
inline OnnxRun run_onnx(const Path& model, std::string_view input) {
  const TemporaryFolder folder;
  write_atomically(folder / "input.raw", input);
  const std::string said = (folder / "said.txt").string();
  const int code =
      run_onnx_script(fmt::format("'{}' '{}' 2> '{}'", model.string(), folder.path().string(), said));
  EXPECT_EQ(code, 0) << read_file(said, "output");
  if (code != 0) return {};
  const std::string bytes = read_file(folder / "output.raw", "output");
  OnnxRun run{std::vector<float>(bytes.size() / sizeof(float)), read_json(folder / "facts.json", "facts")};
  std::memcpy(run.values.data(), bytes.data(), bytes.size());
  return run;
}

}  // namespace normgraft::testing
