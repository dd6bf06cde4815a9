#include "normgraft/expr/expression_json.h"

namespace normgraft {

Expression expression_at(const JsonPlace& place) {
  const std::string text = place.text();
  try {
    return Expression::parse(text);
  } catch (const InputError& error) {
    place.fail(error.what());
  }
}

Interval interval_at(const JsonPlace& place) {
  const std::vector<JsonPlace> ends = place.elements();
  if (ends.size() != 2 || !(ends[0].number() <= ends[1].number())) place.fail("expected [low, high]");
  return {ends[0].number(), ends[1].number()};
}

}  // namespace normgraft
