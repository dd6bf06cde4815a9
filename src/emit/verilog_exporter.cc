#include "normgraft/emit/verilog_exporter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>

#include "c_names.h"
#include "normgraft/core/error.h"
#include "verilog_pieces.h"
#include "verilog_text.h"
#include "verilog_units.h"
#include "verilog_vectors.h"

namespace normgraft {
namespace {

constexpr int kStages = 4;  ///< of scale and curve units

/// A unit and its files.
struct MadeUnit {
  VerilogUnit unit;
  IntegerStep step;
  std::string text;
};

class Maker {
 public:
  explicit Maker(const IntegerProgram& program) : program_(program) {}

  std::vector<MadeUnit> make() {
    for (const PlacedStep& placed : program_.steps)
      std::visit([&](const auto& step) { add(placed, step); }, placed.step);
    if (made_.empty())
      throw InputError("export --to verilog: the network has neither norm sites nor activations");
    return std::move(made_);
  }

 private:
  const IntegerBuffer& buffer(BufferIndex i) const { return program_.buffers[static_cast<size_t>(i)]; }
  const IntegerTensor& knots(const Curve& curve) const { return program_.tensors.at(curve.knots); }

  void add(const PlacedStep& placed, const ScaleStep& step) {
    add(placed, step, "scale", kStages,
        [&](const VerilogPorts& ports) { return scale_unit(ports, step, knots(step.g)); });
  }
  void add(const PlacedStep& placed, const CurveStep& step) {
    add(placed, step, "curve", kStages,
        [&](const VerilogPorts& ports) { return curve_unit(ports, step, knots(step.f)); });
  }
  void add(const PlacedStep& placed, const NormStep& step) {
    add(placed, step, "norm", norm_clocks(ports_of(placed, step), step),
        [&](const VerilogPorts& ports) { return norm_unit(ports, step); });
  }
  template <typename Step>
  void add(const PlacedStep&, const Step&) {}

  template <typename Step>
  VerilogPorts ports_of(const PlacedStep& placed, const Step& step) const {
    const IntegerBuffer &from = buffer(step.from), &to = buffer(step.to);
    if (from.bits > 16 || to.bits > 16) {
      throw InputError(
          fmt::format("export --to verilog: {} has codes of 32 bits, expected 8 or 16", placed.place));
    }
    return {placed.place, "@module@", "@comment@", from.bits, to.bits, to.width};
  }

  /// Steps whose modules have the same text share one.
  template <typename Step, typename Write>
  void add(const PlacedStep& placed, const Step& step, const std::string& kind, int clocks,
           const Write& write) {
    const VerilogPorts ports = ports_of(placed, step);
    const std::string text = write(ports);
    for (MadeUnit& each : made_) {
      if (each.text == text && each.unit.channels == ports.channels) {
        each.unit.places.push_back(placed.place);
        return;
      }
    }
    made_.push_back({{names_.unique(kind + "_", placed.place),
                      kind,
                      {placed.place},
                      ports.in_bits,
                      ports.out_bits,
                      ports.channels,
                      clocks},
                     step,
                     text});
  }

  const IntegerProgram& program_;
  CNames names_;
  std::vector<MadeUnit> made_;
};

std::string module_text(const MadeUnit& made) {
  std::string places = fmt::format("{}", fmt::join(made.unit.places, ", "));
  return with_words(made.text, {{"module", made.unit.module}, {"comment", c_comment(places)}});
}

std::string makefile(const std::vector<MadeUnit>& units) {
  std::string names, variables;
  for (const auto& [unit, step, text] : units) {
    names += (names.empty() ? "" : " ") + unit.module;
    variables += fmt::format("IN_BITS_{0} = {1}\nOUT_BITS_{0} = {2}\nBOUND_{0} = {3}\n", unit.module,
                             unit.in_bits, unit.out_bits, unit.kind == "norm" ? 1 : 0);
  }
  return with_words(verilog::kMakefile, {{"units", names}, {"variables", variables}});
}

std::string index_file(const std::vector<MadeUnit>& units, const IntegerProgram& program) {
  Json list = Json::array();
  for (const auto& [unit, step, text] : units) {
    list.push_back({{"module", unit.module},
                    {"kind", unit.kind},
                    {"places", unit.places},
                    {"in_bits", unit.in_bits},
                    {"out_bits", unit.out_bits},
                    {"channels", unit.channels},
                    {"clocks_to_first_output", unit.clocks}});
  }
  const Json json{
      {"version", 1}, {"architecture", program.architecture}, {"sites", program.sites}, {"units", list}};
  return json.dump(1) + "\n";
}

}  // namespace

std::vector<VerilogUnit> write_verilog(const IntegerProgram& program, const Path& folder) {
  const std::vector<MadeUnit> made = Maker(program).make();
  std::vector<VerilogUnit> units;
  write_atomically(folder / "normgraft_product.v", verilog::kProduct);
  write_atomically(folder / "testbench.cpp", verilog::kTestbench);
  write_atomically(folder / "Makefile", makefile(made));
  for (const MadeUnit& each : made) {
    const VerilogUnit& unit = each.unit;
    write_atomically(folder / (unit.module + ".v"), module_text(each));
    write_atomically(
        folder / (unit.module + ".vectors"),
        unit_vectors(program, each.step, {"", "", "", unit.in_bits, unit.out_bits, unit.channels}));
    units.push_back(unit);
  }
  write_atomically(folder / "units.json", index_file(made, program));
  return units;
}

}  // namespace normgraft
