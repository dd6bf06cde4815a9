#pragma once

#include <string>

#include "normgraft/core/files.h"
#include "normgraft/expr/expression.h"

namespace normgraft {

/// Reads a JSON value of a file and knows its place in it; everything wrong is an InputError that names both.
class JsonPlace {
 public:
  JsonPlace(const Json& json, std::string file, std::string place = {});

  /// A field of an object.
  JsonPlace operator[](const std::string& key) const;
  /// All elements of an array.
  std::vector<JsonPlace> elements() const;

  double number() const;         ///< finite
  double number_or_nan() const;  ///< null stands for NaN
  int64_t integer(int64_t low, int64_t high) const;
  uint64_t unsigned_integer() const;
  bool boolean() const;
  std::string text() const;
  Expression expression() const;
  /// Throws unless this object's "version" is from 1 to `newest`.
  void check_version(int newest) const;

  [[noreturn]] void fail(const std::string& problem) const;

 private:
  const Json& json_;
  std::string file_;
  std::string place_;
};

}  // namespace normgraft
