#include "console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>

namespace normgraft::cli {
namespace {

std::atomic<bool> interrupted{false};

void interrupt(int) {
  if (interrupted.exchange(true)) std::_Exit(130);
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

Console::Console() : terminal_(::isatty(STDERR_FILENO) == 1) {
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
}

Console::~Console() {
  clear_line();
}

void Console::progress(const std::string& stage, int64_t done, int64_t total, const std::string& unit,
                       const std::string& note) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  const bool fresh = stage != stage_;
  if (fresh) {
    clear_line();
    stage_ = stage;
    first_done_ = done;
    start_ = now;
  }
  const bool finished = total > 0 && done >= total;
  const double wait = terminal_ ? 0.1 : 10.0;
  if (!finished && (fresh ? !terminal_ : std::chrono::duration<double>(now - shown_).count() < wait)) {
    if (fresh) shown_ = now;
    return;
  }
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done - first_done_) / seconds : 0;
  std::string line = total > 0 ? fmt::format("{}: {} of {} {}", stage, done, total, unit)
                               : fmt::format("{}: {} {}", stage, done, unit);
  if (rate > 0) line += fmt::format(", {:.1f}/s", rate);
  if (rate > 0 && total > done)
    line += fmt::format(", {} left", clock_text(static_cast<double>(total - done) / rate));
  if (!note.empty()) line += ", " + note;
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[2K{}", line);
    std::fflush(stderr);
    line_open_ = true;
    if (finished) clear_line();
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  if (finished) stage_.clear();
}

void Console::notice(const std::string& line) {
  const std::lock_guard lock(mutex_);
  clear_line();
  fmt::print(stderr, "{}\n", line);
}

bool Console::stopped() const {
  return interrupted.load();
}

void Console::clear_line() {
  if (!line_open_) return;
  fmt::print(stderr, "\r\x1b[2K");
  line_open_ = false;
}

}  // namespace normgraft::cli
