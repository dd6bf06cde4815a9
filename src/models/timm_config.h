#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "normgraft/core/files.h"
#include "normgraft/core/monitor.h"
#include "normgraft/data/preprocess.h"

namespace normgraft {

/// A JSON object of a config file that names itself when a field is not what it should be.
class ConfigFields {
 public:
  ConfigFields(const Path& path, const Json& json) : path_(path), json_(json) {}

  [[noreturn]] void fail(std::string_view name, std::string_view expected) const;

  bool has(std::string_view name) const { return json_.contains(name) && !json_[name].is_null(); }

  /// The object of that name, or this one where there is none.
  ConfigFields within(std::string_view name) const;

  std::optional<std::string> text(std::string_view name) const;
  std::optional<int64_t> count(std::string_view name) const;
  std::optional<double> number(std::string_view name) const;
  std::optional<bool> flag(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;  ///< empty where there is no such field
  std::optional<std::array<double, 3>> three(std::string_view name) const;
  /// Height and width: one whole number for both, or a list of two.
  std::optional<std::array<int64_t, 2>> size(std::string_view name) const;

 private:
  const Path& path_;
  const Json& json_;
};

/// What a timm config says of the pictures that a network of that input size expects. What it does not say is
/// assumed, and announced in one notice.
Preprocessing read_preprocessing(const ConfigFields& pretrained, int64_t height, int64_t width,
                                 Monitor& monitor);

/// The content of "pretrained_cfg" that reads back as this.
Json preprocessing_json(const Preprocessing& preprocessing);

}  // namespace normgraft
