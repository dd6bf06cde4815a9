#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "command.h"
#include "normgraft/core/error.h"
#include "normgraft/cost/site_cost.h"
#include "normgraft/emit/verilog_exporter.h"

namespace normgraft::cli {
namespace {

struct CircuitOptions {
  std::string expression, x, r = "16.12", y, profile;
  double most_error = 0.5;
  int64_t channels = 192;
  std::optional<int64_t> layernorm;
  std::optional<Path> output;
};

/// "16.9": 16 bits, 9 of them behind the point. Where `reach` is given, "16" will do: 16 bits that reach as
/// far.
FixedPoint format_of(const std::string& option, const std::string& text, std::optional<double> reach = {}) {
  FixedPoint format;
  const char* const end = text.data() + text.size();
  const auto bits = std::from_chars(text.data(), end, format.bits);
  const bool read = bits.ec == std::errc() && format.bits >= 2 && format.bits <= 32;
  if (read && reach && bits.ptr == end) return fixed_point_for({-*reach, *reach}, format.bits);
  const bool dotted = read && bits.ptr != end && *bits.ptr == '.';
  const auto fraction = std::from_chars(dotted ? bits.ptr + 1 : end, end, format.fraction);
  if (!dotted || fraction.ec != std::errc() || fraction.ptr != end || std::abs(format.fraction) > 32) {
    throw InputError(
        fmt::format("circuit {} {}: expected bits and those behind the point, as 16.9: 2 to 32, "
                    "-32 to 32",
                    option, text));
  }
  return format;
}

Json to_json(const CircuitNode& node) {
  Json json{{"operation", primitive(node.op).name},
            {"bits", node.format.bits},
            {"fraction", node.format.fraction},
            {"range", {node.range.low, node.range.high}},
            {"error", node.error}};
  if (node.a >= 0) json["of"] = node.b >= 0 ? Json{node.a, node.b} : Json{node.a};
  if (node.curve) json["intervals"] = node.curve->knots.size() - 1;
  return json;
}

Profile profile_of_circuits(const std::string& name) {
  Profile profile = load_profile(name);
  if (!profile.parts)
    throw InputError(fmt::format("circuit --profile {}: expected a profile of circuits", name));
  return profile;
}

void make_layernorm(const CircuitOptions& options, Context& context) {
  constexpr double kReach = 63;  // as x of a function
  const int64_t channels = *options.layernorm;
  const double most_y = std::sqrt(static_cast<double>(std::max<int64_t>(channels, 2) - 1));
  const LayerNormUnit unit{.x = format_of("--x", options.x.empty() ? "16" : options.x, kReach),
                           .y = format_of("--y", options.y.empty() ? "8" : options.y, most_y),
                           .channels = channels};
  const auto format = [](const FixedPoint& f) { return Json{{"bits", f.bits}, {"fraction", f.fraction}}; };
  Json json{
      {"layernorm", channels}, {"clocks", clocks_of(unit)}, {"x", format(unit.x)}, {"y", format(unit.y)}};
  std::string text = fmt::format(
      "LayerNorm of tokens of {} channels, without gamma and beta; x: {}; y: {}; first output after {} "
      "clocks",
      channels, unit.x.to_string(), unit.y.to_string(), clocks_of(unit));
  if (!options.profile.empty()) {
    const Profile profile = profile_of_circuits(options.profile);
    const auto area = layernorm_area(profile, channels);
    if (!area) {
      throw InputError(
          fmt::format("circuit --profile {}: expected areas of LayerNorm units in it", options.profile));
    }
    json["area"] = area->logic;
    json["ram_bits"] = area->ram_bits;
    json["unit"] = profile.unit;
    text += fmt::format("\n{:.0f} {} and {:.0f} bits of block RAM, of x of 16 bits and y of 8", area->logic,
                        profile.unit, area->ram_bits);
  }
  if (options.output) {
    const VerilogUnit written = write_verilog(unit, *options.output);
    json["module"] = written.module;
    text += fmt::format("\n{}: {}.v, a testbench and vectors", options.output->string(), written.module);
  }
  context.print(json, text);
}

void make_function(const CircuitOptions& options, Context& context) {
  const CircuitPorts ports{.x = format_of("--x", options.x.empty() ? "16.9" : options.x),
                           .r = format_of("--r", options.r),
                           .y = format_of("--y", options.y.empty() ? "8.4" : options.y)};
  const Circuit circuit(Expression::parse(options.expression), ports, options.most_error);
  Json nodes = Json::array();
  std::string text =
      fmt::format("{}, at most {:.3g} from it\n", circuit.expression().to_string(), circuit.error());
  for (const CircuitNode& node : circuit.nodes()) {
    nodes.push_back(to_json(node));
    text += fmt::format("  {:>3}  {:<9} {:>7} {:>3} bits, {:>3} behind the point, {:.6g} to {:.6g}{}\n",
                        nodes.size() - 1, primitive(node.op).name,
                        node.a < 0   ? ""
                        : node.b < 0 ? fmt::format("{}", node.a)
                                     : fmt::format("{}, {}", node.a, node.b),
                        node.format.bits, node.format.fraction, node.range.low, node.range.high,
                        node.curve ? fmt::format(", {} pieces", node.curve->knots.size() - 1) : "");
  }
  Json json{
      {"function", circuit.expression().to_string()}, {"largest_error", circuit.error()}, {"nodes", nodes}};
  if (!options.profile.empty()) {
    const Profile profile = profile_of_circuits(options.profile);
    json["area"] = area(circuit, profile);
    json["unit"] = profile.unit;
    text += fmt::format("{:.0f} {} expected\n", area(circuit, profile), profile.unit);
  }
  const CircuitParts parts = parts_of(circuit);
  for (size_t i = 0; i < parts.size(); ++i)
    json["parts"][std::string(part_name(static_cast<CircuitPart>(i)))] = parts[i];
  if (options.output) {
    const VerilogUnit unit = write_verilog({{"unit", circuit}}, options.channels, *options.output)[0];
    json["module"] = unit.module;
    json["clocks"] = unit.clocks;
    text += fmt::format("{}: {}.v, first output after {} clocks\n", options.output->string(), unit.module,
                        unit.clocks);
  }
  text.pop_back();
  context.print(json, text);
}

}  // namespace

void add_circuit(CLI::App& app, Context& context) {
  auto options = std::make_shared<CircuitOptions>();
  CLI::App* command = add_command(app, context, "circuit",
                                  "a function, or a LayerNorm, as a circuit of whole numbers computes it",
                                  [&context, options] {
                                    if (options->layernorm) return make_layernorm(*options, context);
                                    if (options->expression.empty())
                                      throw InputError("circuit: expected EXPRESSION or --layernorm D");
                                    make_function(*options, context);
                                  });
  CLI::Option* expression = command->add_option("expression", options->expression,
                                                "of x, an element, and r, a number of its token");
  CLI::Option* layernorm =
      command
          ->add_option("--layernorm", options->layernorm,
                       "in place of a function: the LayerNorm unit to compare with, for tokens of so many "
                       "channels")
          ->excludes(expression);
  command->add_option("--x", options->x,
                      "bits of x, and how many are behind the point (default 16.9); of a LayerNorm the bits "
                      "will do, 8 or 16 (default 16)");
  command->add_option("--r", options->r, "the same of r")->capture_default_str()->excludes(layernorm);
  command->add_option(
      "--y", options->y,
      "the same of the result (default 8.4); of a LayerNorm 8 bits (default 8), which reach as far "
      "as its y can");
  command->add_option("--most-error", options->most_error, "in steps of y, beyond rounding")
      ->capture_default_str()
      ->excludes(layernorm);
  command->add_option("--profile", options->profile, "what its area is told by");
  command->add_option("--channels", options->channels, "elements of a token")
      ->capture_default_str()
      ->excludes(layernorm);
  command->add_option("-o,--output", options->output, "folder for its Verilog, testbench and vectors");
}

}  // namespace normgraft::cli
