#include "normgraft/emit/c_exporter.h"

#include <fmt/format.h>

#include "c_files.h"
#include "c_names.h"
#include "c_network.h"
#include "normgraft/core/error.h"

namespace normgraft {
namespace {

const IntegerBuffer& logits_of(const IntegerProgram& program) {
  return program.buffers[static_cast<size_t>(program.logits)];
}

std::string header(const IntegerProgram& program, const ArenaPlan& plan) {
  const IntegerBuffer& logits = logits_of(program);
  const std::string unit =
      logits.step > 0 ? fmt::format("1 stands for {:.6g}.", logits.step) : "all are of one unit.";
  return fmt::format(fmt::runtime(c::kHeader), fmt::arg("architecture", c_comment(program.architecture)),
                     fmt::arg("height", program.preprocessing.height),
                     fmt::arg("width", program.preprocessing.width), fmt::arg("classes", logits.width),
                     fmt::arg("arena", plan.bytes), fmt::arg("alignment", kArenaAlignment),
                     fmt::arg("unit", unit));
}

/// How a picture becomes one of the network's size.
std::string preparation(const Preprocessing& p) {
  const char* const how = p.interpolation == Interpolation::kBicubic ? "bicubic" : "bilinear";
  if (p.crop_mode == "squash") return fmt::format("A picture is resized to them ({}).", how);
  return fmt::format(
      "A picture is\n   resized until they are {:.6g} of its shorter side ({}), and its middle is taken.",
      p.crop_pct, how);
}

std::string main_file(const IntegerProgram& program) {
  std::string names;
  for (int64_t i = 0; i < logits_of(program).width; ++i) {
    const bool named = !program.class_names.empty();
    const std::string name = named ? program.class_names[static_cast<size_t>(i)] : fmt::format("class {}", i);
    names += fmt::format("    {},\n", c_string(name));
  }
  return fmt::format(fmt::runtime(c::kMain), fmt::arg("preparation", preparation(program.preprocessing)),
                     fmt::arg("names", names));
}

}  // namespace

CWeights c_weights(const std::string& word) {
  if (word == "array") return CWeights::kArray;
  if (word == "binary") return CWeights::kBinary;
  throw InputError(fmt::format("export --weights: \"{}\", expected array or binary", word));
}

CExport write_c(const IntegerProgram& program, const Path& folder, CWeights weights) {
  const ArenaPlan plan = plan_arena(program);
  CConstants constants(program, weights);
  const std::string network = c_network(program, plan, constants);
  const bool binary = weights == CWeights::kBinary;
  if (binary) {
    write_atomically(folder / "network.weights", constants.binary());
    write_atomically(folder / "network_weights.S", constants.assembly());
  }
  write_atomically(folder / "network.h", header(program, plan));
  write_atomically(folder / "network.c", network);
  write_atomically(folder / "main.c", main_file(program));
  write_atomically(folder / "Makefile",
                   fmt::format(fmt::runtime(c::kMakefile),
                               fmt::arg("sources", binary ? "network.c network_weights.S" : "network.c"),
                               fmt::arg("data", binary ? " network.weights" : "")));
  return {plan.bytes, constants.bytes()};
}

}  // namespace normgraft
