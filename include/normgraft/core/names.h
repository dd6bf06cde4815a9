#pragma once

#include <fmt/format.h>

#include <span>
#include <string>
#include <string_view>

#include "normgraft/core/error.h"

namespace normgraft {

/// One row of a table of choices that have names: on the command line, in files.
template <typename Value>
struct Named {
  std::string_view name;
  Value value;
};

/// "a", "a or b", "a, b or c".
template <typename Value>
std::string list_names(std::span<const Named<Value>> table) {
  std::string list;
  for (size_t i = 0; i < table.size(); ++i) {
    if (i > 0) list += i + 1 == table.size() ? " or " : ", ";
    list += table[i].name;
  }
  return list;
}

/// The value of that name. Throws InputError 'unknown WHAT "NAME", expected a, b or c'.
template <typename Value>
const Value& value_named(std::span<const Named<Value>> table, std::string_view what, std::string_view name) {
  for (const Named<Value>& row : table) {
    if (row.name == name) return row.value;
  }
  throw InputError(fmt::format("unknown {} \"{}\", expected {}", what, name, list_names(table)));
}

/// The name of a value that is in the table.
template <typename Value>
std::string name_of(std::span<const Named<Value>> table, const Value& value) {
  for (const Named<Value>& row : table) {
    if (row.value == value) return std::string(row.name);
  }
  throw std::logic_error("a value without a name");
}

}  // namespace normgraft
