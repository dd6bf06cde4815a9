#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "console.h"
#include "normgraft/core/files.h"
#include "normgraft/models/options.h"

namespace normgraft::cli {

/// What every command has at hand.
struct Context {
  Console console;
  bool json = false;  ///< --json: results as one JSON object on stdout
  int threads = 0;    ///< --threads: 0 for all cores

  /// Prints a result: `json` when asked for, else `text`.
  void print(const Json& result, const std::string& text) const;
};

/// Adds --heads, --eps, --activation and --input-size.
void add_model_options(CLI::App& command, ModelOptions& options);

/// Adds a command whose work is `run`; --json and --threads come with it.
CLI::App* add_command(CLI::App& app, Context& context, const std::string& name,
                      const std::string& description, std::function<void()> run);

/// The commands, one file for each group that shares its subject.
void add_inspect(CLI::App& app, Context& context);
void add_eval(CLI::App& app, Context& context);
void add_capture(CLI::App& app, Context& context);
void add_evolve(CLI::App& app, Context& context);
void add_select(CLI::App& app, Context& context);
void add_graft(CLI::App& app, Context& context);
void add_realign(CLI::App& app, Context& context);
void add_cost(CLI::App& app, Context& context);
void add_export(CLI::App& app, Context& context);
void add_circuit(CLI::App& app, Context& context);
void add_quantize(CLI::App& app, Context& context);
void add_report(CLI::App& app, Context& context);
void add_run(CLI::App& app, Context& context);
void add_demo(CLI::App& app, Context& context);

}  // namespace normgraft::cli
