#include "normgraft/eval/condition.h"

#include <array>

#include "normgraft/core/names.h"

namespace normgraft {
namespace {

constexpr std::array<Named<Condition>, 3> kConditions = {
    {{"plain", Condition::kPlain}, {"contrast", Condition::kContrast}, {"blur", Condition::kBlur}}};

}  // namespace

Condition condition_named(const std::string& name) {
  return value_named<Condition>(kConditions, "condition", name);
}

std::string to_string(Condition condition) {
  return name_of<Condition>(kConditions, condition);
}

}  // namespace normgraft
