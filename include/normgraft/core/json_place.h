#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "normgraft/core/error.h"
#include "normgraft/core/files.h"

namespace normgraft {

/// Reads a JSON value of a file and knows its place in it; everything wrong is an InputError that names both:
/// "plan.json: sites[1].cost: expected a finite number". The JSON value has to outlive it.
class JsonPlace {
 public:
  JsonPlace(const Json& json, std::string file, std::string place = {});

  /// A field of an object; has to be there.
  JsonPlace operator[](const std::string& key) const;
  /// A field of an object, where it is there.
  std::optional<JsonPlace> find(const std::string& key) const;
  /// All elements of an array.
  std::vector<JsonPlace> elements() const;
  /// All fields of an object, in their order.
  std::vector<std::pair<std::string, JsonPlace>> members() const;

  bool is_null() const;
  double number() const;         ///< finite
  double number_or_nan() const;  ///< null stands for NaN
  int64_t integer(int64_t low, int64_t high) const;
  uint64_t unsigned_integer() const;
  bool boolean() const;
  std::string text() const;
  /// This object's "version". Throws unless it is from 1 to `newest`.
  int check_version(int newest) const;

  [[noreturn]] void fail(const std::string& problem) const;

 private:
  std::string place_of(const std::string& key) const;

  const Json& json_;
  std::string file_;
  std::string place_;
};

/// NaN and infinities, which JSON does not have, become null: what JsonPlace::number_or_nan reads.
Json number_or_null(double value);

}  // namespace normgraft
