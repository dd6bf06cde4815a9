#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace normgraft::testing {

/// What a run of the program left.
struct Outcome {
  int code = 0;  ///< exit code; 128 + signal when it was killed
  std::string out, err;
};

/// A resource limit or a death to arrange for the program.
struct Circumstances {
  long file_size_limit = 0;               ///< RLIMIT_FSIZE in bytes; 0: none
  std::filesystem::path kill_after_file;  ///< SIGKILL once this file exists ...
  int kill_after_milliseconds = 0;        ///< ... and this time has passed
};

/// Runs `normgraft` with these arguments.
Outcome run_program(const std::vector<std::string>& arguments, const Circumstances& circumstances = {});

}  // namespace normgraft::testing
