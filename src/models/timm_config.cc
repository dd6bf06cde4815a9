#include "timm_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

constexpr double kDefaultCropPct = 0.9;
constexpr uint64_t kLargestCount = 1 << 24;
constexpr uint64_t kLargestSide = 1 << 16;

bool is_whole(const Json& json, uint64_t least, uint64_t most) {
  if (!json.is_number_integer() || json < 0) return false;
  const auto value = json.get<uint64_t>();
  return least <= value && value <= most;
}

Interpolation read_interpolation(const ConfigFields& pretrained, const std::string& name) {
  if (name == "bicubic") return Interpolation::kBicubic;
  if (name == "bilinear") return Interpolation::kBilinear;
  pretrained.fail("interpolation", "\"bicubic\" or \"bilinear\"");
}

std::array<float, 3> to_floats(const std::array<double, 3>& values) {
  return {static_cast<float>(values[0]), static_cast<float>(values[1]), static_cast<float>(values[2])};
}

Json three_numbers(const std::array<float, 3>& values) {
  Json list = Json::array();
  for (const float value : values)
    list.push_back(std::stod(fmt::format("{}", value)));  // the shortest that reads back
  return list;
}

}  // namespace

void ConfigFields::fail(std::string_view name, std::string_view expected) const {
  throw InputError(fmt::format("config {}: \"{}\" is {}, expected {}", path_.string(), name,
                               json_[name].dump(), expected));
}

ConfigFields ConfigFields::within(std::string_view name) const {
  if (!has(name)) return *this;
  if (!json_[name].is_object()) fail(name, "an object");
  return {path_, json_[name]};
}

std::optional<std::string> ConfigFields::text(std::string_view name) const {
  if (!has(name)) return std::nullopt;
  if (!json_[name].is_string()) fail(name, "a string");
  return json_[name].get<std::string>();
}

std::optional<int64_t> ConfigFields::count(std::string_view name) const {
  if (!has(name)) return std::nullopt;
  if (!is_whole(json_[name], 0, kLargestCount)) fail(name, "a whole number");
  return json_[name].get<int64_t>();
}

std::optional<double> ConfigFields::number(std::string_view name) const {
  if (!has(name)) return std::nullopt;
  if (!json_[name].is_number()) fail(name, "a number");
  return json_[name].get<double>();
}

std::optional<bool> ConfigFields::flag(std::string_view name) const {
  if (!has(name)) return std::nullopt;
  if (!json_[name].is_boolean()) fail(name, "true or false");
  return json_[name].get<bool>();
}

std::vector<std::string> ConfigFields::texts(std::string_view name) const {
  if (!has(name)) return {};
  const Json& list = json_[name];
  const bool texts =
      list.is_array() && std::all_of(list.begin(), list.end(), [](const Json& v) { return v.is_string(); });
  if (!texts) fail(name, "a list of texts");
  return list.get<std::vector<std::string>>();
}

std::optional<std::array<double, 3>> ConfigFields::three(std::string_view name) const {
  if (!has(name)) return std::nullopt;
  const Json& list = json_[name];
  const bool numbers = list.is_array() && list.size() == 3 &&
                       std::all_of(list.begin(), list.end(), [](const Json& v) { return v.is_number(); });
  if (!numbers) fail(name, "three numbers");
  return list.get<std::array<double, 3>>();
}

std::optional<std::array<int64_t, 2>> ConfigFields::size(std::string_view name) const {
  if (!has(name)) return std::nullopt;
  const auto side = [&](const Json& json) {
    if (!is_whole(json, 1, kLargestSide)) fail(name, "a whole number above 0, or [height, width]");
    return json.get<int64_t>();
  };
  const Json& json = json_[name];
  if (!json.is_array()) return std::array{side(json), side(json)};
  if (json.size() != 2) fail(name, "a whole number above 0, or [height, width]");
  return std::array{side(json[0]), side(json[1])};
}

Preprocessing read_preprocessing(const ConfigFields& pretrained, int64_t height, int64_t width,
                                 Monitor& monitor) {
  Preprocessing p;
  p.height = static_cast<int>(height);
  p.width = static_cast<int>(width);
  std::vector<std::string> assumed;
  const auto assume = [&](const char* field, const std::string& value) {
    if (!pretrained.has(field)) assumed.push_back(fmt::format("{} {}", field, value));
  };
  assume("interpolation", "bicubic");
  p.interpolation = read_interpolation(pretrained, pretrained.text("interpolation").value_or("bicubic"));
  assume("crop_pct", fmt::format("{}", kDefaultCropPct));
  p.crop_pct = pretrained.number("crop_pct").value_or(kDefaultCropPct);
  if (!(p.crop_pct > 0 && p.crop_pct <= 1)) pretrained.fail("crop_pct", "a number in (0, 1]");
  p.crop_mode = pretrained.text("crop_mode").value_or("center");
  if (p.crop_mode != "center" && p.crop_mode != "squash")
    pretrained.fail("crop_mode", "\"center\" or \"squash\"");
  assume("mean", fmt::format("{}", fmt::join(p.mean, " ")));
  if (const auto mean = pretrained.three("mean")) p.mean = to_floats(*mean);
  assume("std", fmt::format("{}", fmt::join(p.std, " ")));
  if (const auto std = pretrained.three("std")) p.std = to_floats(*std);
  if (*std::min_element(p.std.begin(), p.std.end()) <= 0) pretrained.fail("std", "three numbers above 0");
  if (!assumed.empty()) {
    monitor.notice(
        fmt::format("the checkpoint does not say its preprocessing: using {}", fmt::join(assumed, ", ")));
  }
  return p;
}

Json preprocessing_json(const Preprocessing& p) {
  return {{"input_size", {3, p.height, p.width}},
          {"fixed_input_size", true},
          {"interpolation", p.interpolation == Interpolation::kBicubic ? "bicubic" : "bilinear"},
          {"crop_pct", p.crop_pct},
          {"crop_mode", p.crop_mode},
          {"mean", three_numbers(p.mean)},
          {"std", three_numbers(p.std)}};
}

}  // namespace normgraft
