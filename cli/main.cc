#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "command.h"

namespace normgraft::cli {
namespace {

enum ExitCode { kDone = 0, kFailed = 1, kWrongInput = 2, kInterrupted = 130 };

/// One line, whatever the exception says.
std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

int fail(ExitCode code, const std::string& message) {
  fmt::print(stderr, "normgraft: {}\n", first_line(message));
  return code;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a full quota is an error of the write, not a death
  Context context;
  CLI::App app("normgraft: evolved scalar functions in place of LayerNorm in pretrained Vision Transformers");
  app.name("normgraft");
  app.require_subcommand(1);
  app.set_version_flag("--version", NORMGRAFT_VERSION);
  add_inspect(app, context);
  add_eval(app, context);
  add_capture(app, context);
  add_evolve(app, context);
  add_select(app, context);
  add_graft(app, context);
  add_realign(app, context);
  add_cost(app, context);
  add_export(app, context);
  add_circuit(app, context);
  add_quantize(app, context);
  add_report(app, context);
  add_run(app, context);
  add_demo(app, context);
  const std::vector<std::string> names = command_names(app);
  if (argc > 1 && argv[1][0] != '-' && std::find(names.begin(), names.end(), argv[1]) == names.end()) {
    return fail(kWrongInput,
                fmt::format("unknown command \"{}\", expected one of {}", argv[1], fmt::join(names, ", ")));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return fail(kWrongInput, error.what());
  } catch (const InputError& error) {
    return fail(kWrongInput, error.what());
  } catch (const Interrupted&) {
    return fail(kInterrupted, "interrupted; finished stages and checkpoints are kept");
  } catch (const std::exception& error) {
    return fail(kFailed, error.what());
  }
  return kDone;
}

}  // namespace
}  // namespace normgraft::cli

int main(int argc, char** argv) {
  return normgraft::cli::main(argc, argv);
}
