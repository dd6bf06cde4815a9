#include "normgraft/pipeline/models.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "accelerator_tables.h"
#include "command.h"
#include "tables.h"

namespace normgraft::cli {
namespace {

std::string program_text(const Json& d) {
  std::string text =
      fmt::format("{}: whole numbers, {} steps, {} classes, {} bytes of tensors, {} of buffers",
                  d["architecture"].get<std::string>(), d["steps"].dump(), d["classes"].dump(),
                  d["bytes_of_tensors"].dump(), d["bytes_of_buffers"].dump());
  Table buffers({"buffer", "rows", "width", "bits", "step", "zero"});
  for (const auto& [name, buffer] : d["buffers"].items()) {
    buffers.add({name, buffer["rows"].dump(), buffer["width"].dump(), buffer["bits"].dump(),
                 fmt::format("{:.4g}", buffer["step"].get<double>()), buffer["zero"].dump()});
    if (buffer.contains("told_step")) {
      buffers.add({name + ", r", buffer["rows"].dump(), "1", buffer["bits"].dump(),
                   fmt::format("{:.4g}", buffer["told_step"].get<double>()), buffer["told_zero"].dump()});
    }
  }
  Table sums({"sums, whatever the picture", "largest"});
  for (const auto& [place, largest] : d["largest_sums"].items()) sums.add({place, largest.dump()});
  return text + "\n\n" + buffers.text() + "\n\n" + sums.text();
}

std::string description_text(const Json& d) {
  if (d.contains("integer")) return program_text(d);
  const Json& p = d["preprocessing"];
  std::vector<std::string> facts;
  for (const auto& [name, value] : d.items()) {
    if (value.is_number() || value.is_array() || (value.is_string() && name != "architecture")) {
      if (name != "sites")
        facts.push_back(
            fmt::format("{} {}", name, value.is_string() ? value.get<std::string>() : value.dump()));
    }
  }
  std::string text =
      fmt::format("{}: {}\npreprocessing: input {}, crop {} ({}), {}, mean {}, std {}",
                  d["architecture"].get<std::string>(), fmt::join(facts, ", "), p["input_size"].dump(),
                  p["crop_pct"].dump(), p["crop_mode"].get<std::string>(),
                  p["interpolation"].get<std::string>(), p["mean"].dump(), p["std"].dump());
  text += fmt::format("\n{} norm sites, {} with a scalar function: {}", d["sites"].size(),
                      d["functions"].size(), fmt::join(d["sites"].get<std::vector<std::string>>(), ", "));
  std::map<std::string, size_t> carriers;
  for (const auto& [site, carried] : d["stream"].items()) ++carriers[carried["carrier"].get<std::string>()];
  carriers.erase("none");
  if (carriers.empty()) text += "\nthe stream tells the spread of no token";
  for (const auto& [carrier, sites] : carriers)
    text += fmt::format("\nthe spread of a token is told at {} sites by: {}", sites, carrier);
  return text;
}

Json as_json(const OperationCount& count) {
  return Json{{"operations", count.operations}, {"bytes", count.bytes_read + count.bytes_written}};
}

std::string operations_text(const ProgramOperations& counted) {
  Table table({"of whole numbers, per picture", "norm sites", "all"});
  const auto millions = [](int64_t count) { return fmt::format("{:.3f}", static_cast<double>(count) / 1e6); };
  for (const auto& [kind, times] : counted.all.operations) {
    const auto at_sites = counted.sites.operations.find(kind);
    table.add({"M " + kind, at_sites == counted.sites.operations.end() ? "0" : millions(at_sites->second),
               millions(times)});
  }
  const auto bytes = [&](const OperationCount& count) {
    return millions(count.bytes_read + count.bytes_written);
  };
  table.add({"MB read and written by steps", bytes(counted.sites), bytes(counted.all)});
  return table.text();
}

void print_cost(const ModelCost& cost, Context& context) {
  const auto json_of = [](const NormCost& c) {
    return Json{{"ops", c.ops}, {"bytes", c.bytes}, {"energy_pj", c.energy_pj}};
  };
  Table table({"per picture", "M" + cost.unit, "MB off-chip", "uJ"});
  const auto add = [&table](const char* name, const NormCost& c) {
    table.add({name, fmt::format("{:.3f}", c.ops / 1e6), fmt::format("{:.3f}", c.bytes / 1e6),
               fmt::format("{:.3f}", c.energy_pj / 1e6)});
  };
  add("LayerNorm", cost.layernorm);
  add("graft", cost.graft);
  std::string text = table.text();
  if (cost.telling_ops > 0) {
    text +=
        fmt::format("\ntelling the spread adds {:.3f} MFLOPs to the matrix products", cost.telling_ops / 1e6);
  }
  text +=
      "\noff-chip and uJ: F32, each norm a pass of its own, LayerNorm with no room for a token; "
      "--accelerator "
      "counts a target";
  Json json{{"layernorm", json_of(cost.layernorm)},
            {"graft", json_of(cost.graft)},
            {"profile", cost.profile},
            {"telling", {{"ops", cost.telling_ops}}},
            {"unit", cost.unit},
            {"sites", cost.sites},
            {"replaced", cost.replaced}};
  if (cost.on_accelerator) {
    json["accelerator"] = to_json(*cost.on_accelerator);
    text = accelerator_text(*cost.on_accelerator);
  }
  context.print(json, text);
}

}  // namespace

void add_inspect(CLI::App& app, Context& context) {
  struct Options {
    Path model;
    ModelOptions model_options;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, context, "inspect", "architecture, parameters, norm sites, what the stream carries, preprocessing",
      [&context, options] {
        const Json d = describe_model(options->model, options->model_options, context.console);
        context.print(d, description_text(d));
      });
  command->add_option("model", options->model, "model folder or .safetensors file")->required();
  add_model_options(*command, options->model_options);
}

void add_cost(CLI::App& app, Context& context) {
  struct Options {
    Path model;
    std::string profile = "flops";
    std::optional<std::string> accelerator;
    ModelOptions model_options;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, context, "cost", "arithmetic, traffic and energy of all norm sites, for one picture",
      [&context, options] {
        if (options->accelerator || !is_integer_model(options->model)) {
          print_cost(cost_of_model(options->model, options->profile, options->accelerator,
                                   options->model_options, context.console),
                     context);
          return;
        }
        const ProgramOperations counted = operations_of_model(options->model);
        context.print(
            Json{{"integer", true}, {"norm_sites", as_json(counted.sites)}, {"all", as_json(counted.all)}},
            operations_text(counted));
      });
  command->add_option("model", options->model, "model folder, grafted or not, or what quantize wrote")
      ->required();
  command->add_option("--profile", options->profile, "flops, or a JSON file")->capture_default_str();
  command->add_option(
      "--accelerator", options->accelerator,
      "small-fpga, microcontroller, npu or a JSON file (docs/accelerator.md): what each site and "
      "the network cost there");
  add_model_options(*command, options->model_options);
}

}  // namespace normgraft::cli
