#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace normgraft {

/// The functions and structs of C99 that a network needs, each once for each width of its numbers. What comes
/// back is the name of the function.
class CKernels {
 public:
  std::string patch(int to_bits);
  std::string fill(int tensor_bits, int to_bits);
  std::string linear(int from_bits, int to_bits);
  std::string scale(int from_bits, int to_bits, int knot_bits);
  std::string cut_scale(int from_bits, int to_bits, int knot_bits);
  std::string curve(int from_bits, int to_bits, int knot_bits);
  std::string norm(int from_bits, int to_bits);
  std::string first_spread(int from_bits, int to_bits, int knot_bits);
  std::string attention(int to_bits, int exp_knot_bits, int reciprocal_knot_bits);

  /// All of them, what is needed first.
  const std::string& text() const { return text_; }

 private:
  /// Adds a piece in which "@name@" is replaced by what `words` has for it, unless it is there already.
  void add(std::string_view piece, const std::map<std::string, int>& words = {});
  void clamp(int bits);
  void curve_at(int knot_bits);
  void leading_one();

  std::string text_;
  std::set<std::string> added_;
};

}  // namespace normgraft
