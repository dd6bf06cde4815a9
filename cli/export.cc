#include <fmt/format.h>
#include <fmt/ranges.h>

#include "command.h"
#include "normgraft/core/error.h"
#include "normgraft/cost/site_cost.h"
#include "normgraft/emit/exporter.h"
#include "normgraft/pipeline/models.h"

namespace normgraft::cli {
namespace {

struct ExportOptions {
  Path model, output;
  std::string target = "torch", weights, batch, gelu;
  int64_t opset = 0;
  bool quantized = false;
  std::optional<int> y_bits;
  std::optional<double> most_error;
  std::optional<Path> data;
  ModelOptions model_options;
};

void export_c(const ExportOptions& options, Context& context) {
  const CWeights weights = options.weights.empty() ? CWeights::kArray : c_weights(options.weights);
  const CExport written = export_as_c(options.model, weights, options.output);
  context.print(Json{{"target", "c"},
                     {"folder", options.output.string()},
                     {"arena_bytes", written.arena_bytes},
                     {"constant_bytes", written.constant_bytes}},
                fmt::format("{}: network.c; it needs {} bytes of memory, and {} bytes of constants",
                            options.output.string(), written.arena_bytes, written.constant_bytes));
}

void export_onnx(const ExportOptions& options, Context& context) {
  OnnxRequest request;
  request.model = options.model;
  request.output = options.output;
  request.options = onnx_options(options.opset == 0 ? kLeastOpset : options.opset,
                                 options.batch.empty() ? "1" : options.batch);
  request.quantized = options.quantized;
  if (!options.gelu.empty() && options.gelu != "erf" && options.gelu != "tanh")
    throw InputError(fmt::format("export --gelu {}: expected erf or tanh", options.gelu));
  request.gelu_by_tanh = options.gelu == "tanh";
  request.data = options.data;
  request.model_options = options.model_options;
  const OnnxOutcome outcome = export_as_onnx(request, context.console);
  std::vector<std::string> operators;
  for (const auto& [name, count] : outcome.written.operators)
    operators.push_back(fmt::format("{} {}", count, name));
  Json json{{"target", "onnx"},
            {"file", (options.output / "model.onnx").string()},
            {"operators", outcome.written.operators},
            {"constant_bytes", outcome.written.constant_bytes}};
  std::string text =
      fmt::format("{}: model.onnx, {} bytes of constants; operators: {}", options.output.string(),
                  outcome.written.constant_bytes, fmt::join(operators, ", "));
  if (outcome.gelu) {
    const GeluLoss& loss = *outcome.gelu;
    json["gelu"] = {{"pictures", loss.pictures}, {"error", loss.error}};
    text += fmt::format("\nGELU by tanh changes the outputs by {:.2g} of their size on {} pictures",
                        loss.error, loss.pictures);
    if (loss.agreement) {
      json["gelu"]["agreement"] = *loss.agreement;
      text += fmt::format("; {:.1f} % keep their class", 100 * *loss.agreement);
    }
  }
  context.print(json, text);
}

void export_verilog(const ExportOptions& options, Context& context) {
  if ((options.y_bits || options.most_error) && is_integer_model(options.model)) {
    throw InputError(
        fmt::format("export --to verilog: {} is a network of integers, expected --y-bits and "
                    "--most-error with a graft alone",
                    options.model.string()));
  }
  const UnitPrecision usual;
  const UnitPrecision precision{options.y_bits.value_or(usual.y_bits),
                                options.most_error.value_or(usual.most_error)};
  const std::vector<VerilogUnit> units =
      export_as_verilog(options.model, precision, options.output, options.model_options, context.console);
  size_t places = 0;
  for (const VerilogUnit& unit : units) places += unit.places.size();
  context.print(Json{{"target", "verilog"},
                     {"folder", options.output.string()},
                     {"units", units.size()},
                     {"places", places}},
                fmt::format("{}: {} units for {} places, a testbench and vectors for each",
                            options.output.string(), units.size(), places));
}

void export_graft(const ExportOptions& options, Context& context) {
  export_model(options.model, options.target, options.output, options.model_options, context.console);
  context.print(Json{{"target", options.target}, {"folder", options.output.string()}},
                fmt::format("{}: {}, beside model.safetensors, config.json, functions.json",
                            options.output.string(), exporter(options.target).description()));
}

/// Each target has options of its own.
void check_options(const ExportOptions& options) {
  const auto only_with = [&](bool given, const char* option, const char* target) {
    if (!given || options.target == target) return;
    throw InputError(
        fmt::format("export --to {}: expected {} with --to {} alone", options.target, option, target));
  };
  only_with(!options.weights.empty(), "--weights", "c");
  only_with(options.y_bits.has_value(), "--y-bits", "verilog");
  only_with(options.most_error.has_value(), "--most-error", "verilog");
  only_with(options.opset != 0, "--opset", "onnx");
  only_with(!options.batch.empty(), "--batch", "onnx");
  only_with(!options.gelu.empty(), "--gelu", "onnx");
  only_with(options.quantized, "--quantized", "onnx");
  if (options.data && options.gelu != "tanh")
    throw InputError("export --data: expected it with --gelu tanh alone, whose loss is measured");
}

std::string targets() {
  std::string text;
  for (const Exporter* each : exporters()) text += fmt::format("{}: {}; ", each->name(), each->description());
  return text +
         "onnx: model.onnx, of any model; c: network.c, C99 of a network of integers; "
         "verilog: a module for each norm site and activation of one, or for each function of a graft";
}

}  // namespace

void add_export(CLI::App& app, Context& context) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* command = add_command(
      app, context, "export", "write a model or a network of integers for deployment", [&context, options] {
        check_options(*options);
        if (options->target == "c") return export_c(*options, context);
        if (options->target == "onnx") return export_onnx(*options, context);
        if (options->target == "verilog") return export_verilog(*options, context);
        export_graft(*options, context);
      });
  command
      ->add_option(
          "model", options->model,
          "grafted model folder; for onnx any model folder; for c, and for verilog too, what quantize writes")
      ->required();
  command->add_option("--to", options->target, targets())->capture_default_str();
  command->add_option("--weights", options->weights,
                      "of c: array, in network.c (default), or binary, a file beside it");
  command
      ->add_option("--y-bits", options->y_bits, "of verilog of a graft: of what its units write (default 8)")
      ->check(CLI::Range(8, 16));
  command
      ->add_option("--most-error", options->most_error,
                   "of verilog of a graft: of its units, in steps of y, beyond rounding (default 0.5)")
      ->check(CLI::Range(0.001, 100.0));
  command->add_option("--opset", options->opset, "of onnx: 13 (default) to 17");
  command->add_option("--batch", options->batch, "of onnx: pictures at once (default 1), or dynamic");
  command->add_option("--gelu", options->gelu,
                      "of onnx: erf (default), or tanh in its place, whose loss is measured and printed");
  command->add_option(
      "--data", options->data,
      "of --gelu tanh: pictures or a run to measure by (default: those of the model's run, or drawn)");
  command->add_flag("--quantized", options->quantized,
                    "of onnx: the model is what quantize writes; QuantizeLinear and DequantizeLinear");
  command->add_option("-o,--output", options->output, "folder to write")->required();
  add_model_options(*command, options->model_options);
}

}  // namespace normgraft::cli
