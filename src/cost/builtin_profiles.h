#pragma once

#include <span>
#include <string_view>

namespace normgraft {

/// A file of profiles/, which is compiled in.
struct BuiltinProfile {
  std::string_view name, json;
};

std::span<const BuiltinProfile> builtin_profiles();

}  // namespace normgraft
