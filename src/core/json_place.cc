#include "normgraft/core/json_place.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace normgraft {

JsonPlace::JsonPlace(const Json& json, std::string file, std::string place)
    : json_(json), file_(std::move(file)), place_(std::move(place)) {}

void JsonPlace::fail(const std::string& problem) const {
  throw InputError(fmt::format("{}: {}{}{}", file_, place_, place_.empty() ? "" : ": ", problem));
}

std::string JsonPlace::place_of(const std::string& key) const {
  return place_.empty() ? key : place_ + "." + key;
}

std::optional<JsonPlace> JsonPlace::find(const std::string& key) const {
  if (!json_.is_object()) fail("expected an object");
  const auto found = json_.find(key);
  if (found == json_.end()) return {};
  return JsonPlace(*found, file_, place_of(key));
}

JsonPlace JsonPlace::operator[](const std::string& key) const {
  if (std::optional<JsonPlace> field = find(key)) return *std::move(field);
  throw InputError(fmt::format("{}: {} is missing", file_, place_of(key)));
}

std::vector<JsonPlace> JsonPlace::elements() const {
  if (!json_.is_array()) fail("expected a list");
  std::vector<JsonPlace> result;
  for (size_t i = 0; i < json_.size(); ++i)
    result.emplace_back(json_[i], file_, fmt::format("{}[{}]", place_, i));
  return result;
}

std::vector<std::pair<std::string, JsonPlace>> JsonPlace::members() const {
  if (!json_.is_object()) fail("expected an object");
  std::vector<std::pair<std::string, JsonPlace>> result;
  for (const auto& [key, value] : json_.items()) {
    result.emplace_back(key, JsonPlace(value, file_, place_of(key)));
  }
  return result;
}

bool JsonPlace::is_null() const {
  return json_.is_null();
}

double JsonPlace::number() const {
  if (!json_.is_number() || !std::isfinite(json_.get<double>())) fail("expected a finite number");
  return json_.get<double>();
}

double JsonPlace::number_or_nan() const {
  return is_null() ? std::numeric_limits<double>::quiet_NaN() : number();
}

int64_t JsonPlace::integer(int64_t low, int64_t high) const {
  const bool fits =
      json_.is_number_integer() && (!json_.is_number_unsigned() || json_.get<uint64_t>() <= INT64_MAX);
  if (!fits || json_.get<int64_t>() < low || json_.get<int64_t>() > high) {
    fail(fmt::format("expected an integer from {} to {}", low, high));
  }
  return json_.get<int64_t>();
}

uint64_t JsonPlace::unsigned_integer() const {
  if (!json_.is_number_unsigned()) fail("expected an integer of at least 0");
  return json_.get<uint64_t>();
}

bool JsonPlace::boolean() const {
  if (!json_.is_boolean()) fail("expected true or false");
  return json_.get<bool>();
}

std::string JsonPlace::text() const {
  if (!json_.is_string()) fail("expected a text");
  return json_.get<std::string>();
}

int JsonPlace::check_version(int newest) const {
  const int64_t version = (*this)["version"].integer(1, INT64_MAX);
  if (version > newest) {
    fail(fmt::format("version {} is newer than version {}, the newest this program reads", version, newest));
  }
  return static_cast<int>(version);
}

Json number_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

}  // namespace normgraft
