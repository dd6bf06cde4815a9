#pragma once

#include "normgraft/integer/program.h"

namespace normgraft {

/// Whether a folder holds a network of integers: its config.json says so.
bool is_integer_folder(const Path& folder);

/// Reads config.json and model.safetensors of an integer folder, checked and proved. Throws InputError naming
/// the file, the place in it and what was expected.
IntegerProgram read_integer_folder(const Path& folder);

/// Writes both files, each at once or not at all.
void write_integer_folder(const Path& folder, const IntegerProgram& program);

}  // namespace normgraft
