#pragma once

#include <stdexcept>
#include <string>

namespace normgraft {

/// The command line or an input is wrong. The message is one line: what is wrong, where, and what was
/// expected. The command line maps it to exit code 2; every other exception means that the work failed
/// midway (exit code 1).
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller asked to stop (Monitor::stopped); state has been saved where the stage saves state.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

}  // namespace normgraft
