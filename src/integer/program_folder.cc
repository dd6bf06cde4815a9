#include "normgraft/integer/program_folder.h"

#include <fmt/format.h>

#include "normgraft/core/error.h"
#include "normgraft/core/safetensors.h"
#include "program_json.h"
#include "sums.h"

namespace normgraft {
namespace {

constexpr const char* kConfig = "config.json";
constexpr const char* kTensors = "model.safetensors";

/// FNV-1a of a whole file, as 16 hexadecimal digits.
std::string checksum_of(const Path& path) {
  const std::string bytes = read_file(path, "integer model's tensors");
  return fmt::format("{:016x}", fnv1a(std::as_bytes(std::span(bytes))));
}

template <typename Value>
void read_values(SafetensorsReader& reader, const SafetensorsEntry& entry, std::vector<Value>& values) {
  values.resize((entry.end - entry.begin) / sizeof(Value));
  reader.read(entry, values.data());
}

std::map<std::string, IntegerTensor> read_tensors(const Path& path) {
  SafetensorsReader reader(path);
  std::map<std::string, IntegerTensor> tensors;
  for (const SafetensorsEntry& entry : reader.entries()) {
    IntegerTensor& tensor = tensors[entry.name];
    tensor.shape = entry.shape;
    if (entry.dtype == "I8") {
      tensor.bits = 8;
      read_values(reader, entry, tensor.values8);
    } else if (entry.dtype == "I16") {
      tensor.bits = 16;
      read_values(reader, entry, tensor.values16);
    } else if (entry.dtype == "I32") {
      tensor.bits = 32;
      read_values(reader, entry, tensor.values32);
    } else {
      reader.fail(entry, fmt::format("its dtype is {}, expected I8, I16 or I32", entry.dtype));
    }
  }
  return tensors;
}

/// The widest first, so that each lies at a multiple of its width.
void write_tensors(const Path& path, const std::map<std::string, IntegerTensor>& tensors) {
  std::vector<SafetensorsTensor> raw;
  for (const int bits : {32, 16, 8}) {
    for (const auto& [name, tensor] : tensors) {
      if (tensor.bits != bits) continue;
      const auto bytes = bits == 32   ? std::as_bytes(std::span(tensor.values32))
                         : bits == 16 ? std::as_bytes(std::span(tensor.values16))
                                      : std::as_bytes(std::span(tensor.values8));
      raw.push_back({name, fmt::format("I{}", bits), tensor.shape, bytes});
    }
  }
  write_raw_safetensors(path, raw);
}

}  // namespace

bool is_integer_folder(const Path& folder) {
  try {
    const Json config = read_json(folder / kConfig, "config");
    return config.is_object() && config.contains("format") && config["format"] == kIntegerFormat;
  } catch (const InputError&) {
    return false;
  }
}

IntegerProgram read_integer_folder(const Path& folder) {
  const Path config_path = folder / kConfig, tensors_path = folder / kTensors;
  const Json config = read_json(config_path, "integer model");
  auto [program, expected] = program_from(config, config_path.string());
  program.tensors = read_tensors(tensors_path);
  const std::string found = checksum_of(tensors_path);
  if (found != expected) {
    throw InputError(fmt::format("{}: its checksum is {}, expected {} as {} says: one of the two is damaged",
                                 tensors_path.string(), found, in_quotes(expected), kConfig));
  }
  try {
    check(program);
    prove_no_overflow(program);
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", folder.string(), error.what()));
  }
  return program;
}

void write_integer_folder(const Path& folder, const IntegerProgram& program) {
  check(program);
  prove_no_overflow(program);
  write_tensors(folder / kTensors, program.tensors);
  write_json(folder / kConfig, program_json(program, checksum_of(folder / kTensors)));
}

}  // namespace normgraft
