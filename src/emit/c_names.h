#pragma once

#include <set>
#include <string>
#include <string_view>

namespace normgraft {

/// Names for C, each given once.
class CNames {
 public:
  /// `prefix` and the letters and digits of `text`, others as "_", at most 60 characters, and a number behind
  /// it where it was given before.
  std::string unique(std::string_view prefix, std::string_view text);

 private:
  std::set<std::string> taken_;
};

/// For a comment: what is neither a letter nor a digit nor one of "._- ," as "_".
std::string c_comment(std::string_view text);

/// A string literal of these bytes, in ASCII.
std::string c_string(std::string_view text);

}  // namespace normgraft
