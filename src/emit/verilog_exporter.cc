#include "normgraft/emit/verilog_exporter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <utility>

#include "c_names.h"
#include "normgraft/core/error.h"
#include "normgraft/integer/norm_step.h"
#include "verilog_circuit.h"
#include "verilog_circuit_pieces.h"
#include "verilog_pieces.h"
#include "verilog_text.h"
#include "verilog_units.h"
#include "verilog_vectors.h"

namespace normgraft {
namespace {

constexpr int kStages = 4;  ///< of scale and curve units
/// Of a LayerNorm unit. With fewer channels the root of the interpreter may be too rough to compare with, and
/// the unit does not take an element a clock; with more, no shift of the squares makes their sum fit.
constexpr int64_t kLeastChannels = 64, kMostChannels = 32768;

/// A unit and its files.
struct MadeUnit {
  VerilogUnit unit;
  std::string text;
  std::function<std::string()> vectors;
};

/// Modules of the same text and the same channels are one.
class Units {
 public:
  void add(const VerilogPorts& ports, const std::string& kind, int clocks, const std::string& text,
           std::function<std::string()> vectors) {
    for (MadeUnit& each : made_) {
      if (each.text == text && each.unit.channels == ports.channels) {
        each.unit.places.push_back(ports.place);
        return;
      }
    }
    made_.push_back({{names_.unique(kind + "_", ports.place),
                      kind,
                      {ports.place},
                      ports.in_bits,
                      ports.out_bits,
                      ports.channels,
                      clocks},
                     text,
                     std::move(vectors)});
  }

  std::vector<MadeUnit> take() { return std::move(made_); }

 private:
  CNames names_;
  std::vector<MadeUnit> made_;
};

VerilogPorts ports_of(const std::string& place, int in_bits, int out_bits, int64_t channels) {
  if (in_bits > 16 || out_bits > 16) {
    throw InputError(fmt::format("export --to verilog: {} has codes of {} bits, expected at most 16", place,
                                 std::max(in_bits, out_bits)));
  }
  return {place, "@module@", "@comment@", in_bits, out_bits, channels};
}

class ProgramUnits {
 public:
  explicit ProgramUnits(const IntegerProgram& program) : program_(program) {}

  std::vector<MadeUnit> make() {
    for (const PlacedStep& placed : program_.steps)
      std::visit([&](const auto& step) { add(placed, step); }, placed.step);
    std::vector<MadeUnit> made = units_.take();
    if (made.empty())
      throw InputError("export --to verilog: the network has neither norm sites nor activations");
    return made;
  }

 private:
  const IntegerBuffer& buffer(BufferIndex i) const { return program_.buffers[static_cast<size_t>(i)]; }
  const IntegerTensor& knots(const Curve& curve) const { return program_.tensors.at(curve.knots); }

  void add(const PlacedStep& placed, const ScaleStep& step) {
    const VerilogPorts ports = ports_at(placed, step);
    add(ports, step, "scale", kStages, scale_unit(ports, step, knots(step.g)));
  }
  void add(const PlacedStep& placed, const CurveStep& step) {
    const VerilogPorts ports = ports_at(placed, step);
    add(ports, step, "curve", kStages, curve_unit(ports, step, knots(step.f)));
  }
  void add(const PlacedStep& placed, const NormStep& step) {
    const VerilogPorts ports = ports_at(placed, step);
    add(ports, step, "norm", norm_clocks(ports, step), norm_unit(ports, step));
  }
  template <typename Step>
  void add(const PlacedStep&, const Step&) {}

  template <typename Step>
  VerilogPorts ports_at(const PlacedStep& placed, const Step& step) const {
    const IntegerBuffer &from = buffer(step.from), &to = buffer(step.to);
    return ports_of(placed.place, from.bits, to.bits, to.width);
  }

  void add(const VerilogPorts& ports, const IntegerStep& step, const std::string& kind, int clocks,
           const std::string& text) {
    units_.add(ports, kind, clocks, text,
               [this, step, ports] { return unit_vectors(program_, step, ports); });
  }

  const IntegerProgram& program_;
  Units units_;
};

std::vector<MadeUnit> circuit_units(const std::vector<PlacedCircuit>& circuits, int64_t channels) {
  if (circuits.empty())
    throw InputError("export --to verilog: the network has no functions in place of norms");
  Units units;
  for (const auto& [place, circuit] : circuits) {
    const CircuitPorts& formats = circuit.ports();
    const VerilogPorts ports = ports_of(place, formats.x.bits, formats.y.bits, channels);
    if (circuit.expression().reads(Op::kR) && formats.r.bits != formats.x.bits) {
      throw InputError(fmt::format("export --to verilog: {} has an r of {} bits, expected {} as x has", place,
                                   formats.r.bits, formats.x.bits));
    }
    units.add(ports, "function", circuit_clocks(circuit), circuit_unit(ports, circuit),
              [&circuit = circuit, ports] { return unit_vectors(circuit, ports); });
  }
  return units.take();
}

std::string module_text(const MadeUnit& made) {
  std::string places = fmt::format("{}", fmt::join(made.unit.places, ", "));
  return with_words(made.text, {{"module", made.unit.module}, {"comment", c_comment(places)}});
}

Json to_json(const FixedPoint& format) {
  return {{"bits", format.bits}, {"fraction", format.fraction}};
}

Json to_json(const Circuit& circuit) {
  const CircuitPorts& ports = circuit.ports();
  return {{"function", circuit.expression().to_string()},
          {"x", to_json(ports.x)},
          {"r", to_json(ports.r)},
          {"y", to_json(ports.y)},
          {"largest_error", circuit.error()}};
}

std::string makefile(const std::vector<MadeUnit>& units) {
  std::string names, variables;
  for (const auto& [unit, text, vectors] : units) {
    names += (names.empty() ? "" : " ") + unit.module;
    variables += fmt::format("IN_BITS_{0} = {1}\nOUT_BITS_{0} = {2}\nBOUND_{0} = {3}\n", unit.module,
                             unit.in_bits, unit.out_bits, unit.kind == "norm" ? 1 : 0);
  }
  return with_words(verilog::kMakefile, {{"units", names}, {"variables", variables}});
}

Json index_of(const std::vector<MadeUnit>& units) {
  Json list = Json::array();
  for (const auto& [unit, text, vectors] : units) {
    list.push_back({{"module", unit.module},
                    {"kind", unit.kind},
                    {"places", unit.places},
                    {"in_bits", unit.in_bits},
                    {"out_bits", unit.out_bits},
                    {"channels", unit.channels},
                    {"clocks_to_first_output", unit.clocks}});
  }
  return list;
}

std::vector<VerilogUnit> write(const std::vector<MadeUnit>& made, Json index, const Path& folder) {
  std::vector<VerilogUnit> units;
  write_atomically(folder / "normgraft_product.v", verilog::kProduct);
  write_atomically(folder / "testbench.cpp", verilog::kTestbench);
  write_atomically(folder / "Makefile", makefile(made));
  for (const MadeUnit& each : made) {
    write_atomically(folder / (each.unit.module + ".v"), module_text(each));
    write_atomically(folder / (each.unit.module + ".vectors"), each.vectors());
    units.push_back(each.unit);
  }
  index["version"] = 1;
  index["units"] = index_of(made);
  write_atomically(folder / "units.json", index.dump(1) + "\n");
  return units;
}

/// The network of integers that is one LayerNorm.
IntegerProgram program_of(const LayerNormUnit& unit) {
  const auto& [x, y, channels] = unit;
  if (channels < kLeastChannels || channels > kMostChannels) {
    throw InputError(fmt::format("LayerNorm of {} channels: expected {} to {} for a unit", channels,
                                 kLeastChannels, kMostChannels));
  }
  if (x.bits != 8 && x.bits != 16)
    throw InputError(fmt::format("LayerNorm with x of {} bits: expected 8 or 16 for a unit", x.bits));
  if (y.bits != 8)
    throw InputError(fmt::format("LayerNorm with y of {} bits: expected 8 for a unit", y.bits));
  NormStep step = norm_step({.channels = channels, .x_bits = x.bits, .x_step = x.step(), .y_step = y.step()});
  step.from = 0;
  step.to = 1;
  step.rows = 1;
  IntegerProgram program;
  program.buffers = {{.name = "x", .rows = 1, .width = channels, .bits = x.bits, .step = x.step()},
                     {.name = "y", .rows = 1, .width = channels, .bits = y.bits, .step = y.step()}};
  program.steps = {{"layernorm", step}};
  return program;
}

}  // namespace

std::vector<VerilogUnit> write_verilog(const IntegerProgram& program, const Path& folder) {
  ProgramUnits units(program);
  return write(units.make(), {{"architecture", program.architecture}, {"sites", program.sites}}, folder);
}

std::vector<VerilogUnit> write_verilog(const std::vector<PlacedCircuit>& circuits, int64_t channels,
                                       const Path& folder) {
  const std::vector<MadeUnit> made = circuit_units(circuits, channels);
  write_atomically(folder / "normgraft_leading_one.v", verilog::kLeadingOne);
  write_atomically(folder / "normgraft_quotient.v", verilog::kQuotient);
  Json functions = Json::object();
  for (const auto& [place, circuit] : circuits) functions[place] = to_json(circuit);
  return write(made, {{"functions", functions}}, folder);
}

int clocks_of(const LayerNormUnit& unit) {
  const IntegerProgram program = program_of(unit);
  return ProgramUnits(program).make()[0].unit.clocks;
}

VerilogUnit write_verilog(const LayerNormUnit& unit, const Path& folder) {
  const IntegerProgram program = program_of(unit);
  const Json index{{"channels", unit.channels}, {"x", to_json(unit.x)}, {"y", to_json(unit.y)}};
  return write(ProgramUnits(program).make(), {{"layernorm", index}}, folder)[0];
}

}  // namespace normgraft
