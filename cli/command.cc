#include "command.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string_view>

#include "normgraft/network/threads.h"

namespace normgraft::cli {

namespace {

constexpr int64_t kLargestSide = 1 << 16;

std::optional<int64_t> side_from(std::string_view text) {
  int64_t side = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), side);
  const bool valid =
      fault == std::errc() && end == text.data() + text.size() && side >= 1 && side <= kLargestSide;
  return valid ? std::optional(side) : std::nullopt;
}

/// "384" or "384x512": height and width.
std::array<int64_t, 2> input_size_from(const std::string& text) {
  const size_t cross = text.find('x');
  const auto height = side_from(std::string_view(text).substr(0, cross));
  const auto width =
      cross == std::string::npos ? height : side_from(std::string_view(text).substr(cross + 1));
  if (!height || !width) {
    throw CLI::ValidationError("--input-size", "\"" + text + "\" is no size, expected N or HxW");
  }
  return {*height, *width};
}

}  // namespace

void Context::print(const Json& result, const std::string& text) const {
  fmt::print("{}\n", json ? result.dump(2) : text);
  std::fflush(stdout);
}

void add_model_options(CLI::App& command, ModelOptions& options) {
  command.add_option("--heads", options.heads, "attention heads, where the checkpoint does not say");
  command.add_option("--eps", options.eps, "eps of LayerNorm, where the checkpoint does not say");
  command.add_option("--activation", options.activation,
                     "gelu, gelu_tanh, quick_gelu, relu or silu, where the checkpoint does not say");
  command.add_option_function<std::string>(
      "--input-size", [&options](const std::string& text) { options.input_size = input_size_from(text); },
      "N or HxW, in place of the checkpoint's: positions are resampled to it");
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
