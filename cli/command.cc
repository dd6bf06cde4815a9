#include "command.h"

#include <fmt/format.h>

#include <cstdio>

#include "normgraft/network/threads.h"

namespace normgraft::cli {

void Context::print(const Json& result, const std::string& text) const {
  fmt::print("{}\n", json ? result.dump(2) : text);
  std::fflush(stdout);
}

void add_model_options(CLI::App& command, ModelOptions& options) {
  command.add_option("--heads", options.heads, "attention heads, where the checkpoint does not say");
  command.add_option("--eps", options.eps, "eps of LayerNorm, where the checkpoint does not say");
  command.add_option("--activation", options.activation,
                     "gelu, gelu_tanh, quick_gelu or relu, where the checkpoint does not say");
}

CLI::App* add_command(CLI::App& app, Context& context, const std::string& name,
                      const std::string& description, std::function<void()> run) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_flag("--json", context.json, "print the result as one JSON object");
  command
      ->add_option("--threads", context.threads,
                   "threads of the network, the search and decoding; 0: all cores")
      ->check(CLI::Range(0, 1024));
  command->callback([&context, run = std::move(run)] {
    set_network_threads(context.threads);
    run();
  });
  return command;
}

}  // namespace normgraft::cli
