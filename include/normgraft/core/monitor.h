#pragma once

#include <cstdint>
#include <string>

#include "normgraft/core/error.h"

namespace normgraft {

/// How the library speaks to its caller: it never prints. Every call may come from any thread, one at a
/// time for each Monitor; the defaults do nothing.
class Monitor {
 public:
  virtual ~Monitor() = default;

  /// `done` of `total` units of `stage` are finished ("capture", 64, 750, "pictures"); `note` adds a figure
  /// worth seeing while waiting. total = 0 when unknown.
  virtual void progress(const std::string& stage, int64_t done, int64_t total, const std::string& unit,
                        const std::string& note = {}) {
    (void)stage, (void)done, (void)total, (void)unit, (void)note;
  }

  /// One line that a user should read although nothing failed.
  virtual void notice(const std::string& line) { (void)line; }

  /// True once the caller wants the work to end early.
  virtual bool stopped() const { return false; }

  /// Throws Interrupted when the caller wants the work to end early.
  void check() const {
    if (stopped()) throw Interrupted();
  }
};

/// A Monitor that does nothing.
Monitor& silent_monitor();

}  // namespace normgraft
