#pragma once

#include <string>

#include "normgraft/integer/program.h"

namespace normgraft {

/// What config.json of an integer folder says it is.
inline constexpr const char* kIntegerFormat = "normgraft-integer";

/// A program without its tensors and the checksum of their file, as docs/integer.md specifies it.
Json program_json(const IntegerProgram& program, const std::string& checksum);

/// A program without its tensors, and the checksum of their file.
struct ProgramAndChecksum {
  IntegerProgram program;
  std::string checksum;
};

/// Throws InputError naming `file`, the place in it and what was expected.
ProgramAndChecksum program_from(const Json& config, const std::string& file);

}  // namespace normgraft
