#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "normgraft/core/monitor.h"

namespace normgraft::cli {

/// Progress and notices on stderr: one line that renews itself on a terminal, plain lines every ten
/// seconds otherwise. Interrupts (Ctrl-C, SIGTERM) set stopped().
class Console : public Monitor {
 public:
  Console();
  ~Console() override;

  void progress(const std::string& stage, int64_t done, int64_t total, const std::string& unit,
                const std::string& note) override;
  void notice(const std::string& line) override;
  bool stopped() const override;

 private:
  void clear_line();

  using Clock = std::chrono::steady_clock;
  bool terminal_;
  bool line_open_ = false;
  std::string stage_;
  int64_t first_done_ = 0;
  Clock::time_point start_, shown_;
  std::mutex mutex_;
};

}  // namespace normgraft::cli
