#pragma once

#include <gtest/gtest.h>

#include <string>

#include "normgraft/core/error.h"

namespace normgraft::testing {

/// The message of the InputError that `work` must throw, one line of it.
template <typename Work>
std::string input_error(const Work& work) {
  try {
    work();
  } catch (const InputError& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  ADD_FAILURE() << "no InputError was thrown";
  return {};
}

}  // namespace normgraft::testing
