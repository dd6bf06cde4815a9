#include "normgraft/evolve/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "normgraft/core/require.h"

namespace normgraft {
namespace {

[[noreturn]] void fail_function_set(const std::string& name) {
  throw InputError(fmt::format(
      "evolve: function_set is {}, expected hardware, paper, circuit, or primitives like +,*,clip=2", name));
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(std::move(part));
  return parts;
}

FunctionSet listed_functions(const std::string& list) {
  FunctionSet set{.name = list, .weights = {}};
  for (const std::string& entry : split(list, ',')) {
    const std::vector<std::string> parts = split(entry, '=');
    const auto op = parts.empty() ? std::nullopt : find_primitive(parts[0]);
    const double weight = parts.size() == 2 ? std::atof(parts[1].c_str()) : 1;
    if (!op || primitive(*op).arity == 0 || parts.size() > 2 || !(weight > 0) || !std::isfinite(weight)) {
      fail_function_set(list);
    }
    set.weights.emplace_back(*op, weight);
  }
  const auto has = [&](Op op) {
    return std::any_of(set.weights.begin(), set.weights.end(),
                       [&](const auto& entry) { return entry.first == op; });
  };
  if (set.weights.empty() || list.back() == ',') fail_function_set(list);
  set.linear_scaling = has(Op::kAdd) && has(Op::kMul);
  return set;
}

void check_start(const std::string& text, int max_nodes) {
  try {
    const Expression start = Expression::parse(text);
    if (start.reads(Op::kR)) throw InputError("it reads r, expected a function of x alone");
    const size_t size = start.size();
    if (size > static_cast<size_t>(max_nodes)) {
      throw InputError(fmt::format("{} nodes, expected at most max_nodes = {}", size, max_nodes));
    }
  } catch (const InputError& error) {
    throw InputError(fmt::format("evolve: start {}: {}", text, error.what()));
  }
}

struct CheckRange {
  template <typename Value>
  void operator()(const OptionText&, const Value&) const {}
  template <typename Number>
  void operator()(const OptionText& option, Number value, Number low, Number high) const {
    require_within("evolve", option.key, value, low, high);
  }
};

struct WriteJson {
  Json& json;

  template <typename Value, typename... Range>
  void operator()(const OptionText& option, const Value& value, Range...) const {
    json[std::string(option.key)] = value;
  }
  void operator()(const OptionText& option, Measure measure) const {
    json[std::string(option.key)] = measure_name(measure);
  }
};

struct ReadJson {
  const JsonPlace& place;

  void operator()(const OptionText& option, int& value, int low, int high) const {
    if (option.key == "signed_digits" && !place.find("signed_digits")) return;  // files may lack it
    value = static_cast<int>(at(option).integer(low, high));
  }
  void operator()(const OptionText& option, size_t& value, size_t low, size_t high) const {
    value = static_cast<size_t>(at(option).integer(static_cast<int64_t>(low), static_cast<int64_t>(high)));
  }
  void operator()(const OptionText& option, double& value, double, double) const {
    value = at(option).number();
  }
  void operator()(const OptionText& option, uint64_t& value) const { value = at(option).unsigned_integer(); }
  void operator()(const OptionText& option, bool& value) const { value = at(option).boolean(); }
  void operator()(const OptionText& option, std::string& value) const { value = at(option).text(); }
  void operator()(const OptionText& option, std::vector<std::string>& values) const {
    for (const JsonPlace& element : at(option).elements()) values.push_back(element.text());
  }
  void operator()(const OptionText& option, Measure& measure) const {
    const std::string name = at(option).text();
    for (const Measure known : {Measure::kCount, Measure::kWeight}) {
      if (name == measure_name(known)) {
        measure = known;
        return;
      }
    }
    at(option).fail("expected count or weight");
  }

 private:
  JsonPlace at(const OptionText& option) const { return place[std::string(option.key)]; }
};

}  // namespace

FunctionSet function_set(const std::string& name, bool of_token) {
  if (name == "paper") {
    return {.name = name,
            .weights = {{Op::kAdd, 0.28},
                        {Op::kMul, 0.26},
                        {Op::kNeg, 0.08},
                        {Op::kTanh, 0.20},
                        {Op::kSigmoid, 0.10},
                        {Op::kClip, 0.08}},
            .free_clip_bounds = false,
            .linear_scaling = false};
  }
  if (name == "hardware") {
    FunctionSet set{.name = name,
                    .weights = {{Op::kAdd, 0.18},
                                {Op::kSub, 0.05},
                                {Op::kMul, 0.18},
                                {Op::kDiv, 0.08},
                                {Op::kMin, 0.06},
                                {Op::kMax, 0.06},
                                {Op::kNeg, 0.02},
                                {Op::kAbs, 0.06},
                                {Op::kSquare, 0.04},
                                {Op::kClip, 0.12},
                                {Op::kTanh, 0.06},
                                {Op::kSigmoid, 0.03},
                                {Op::kErf, 0.03},
                                {Op::kRsqrt, 0.03}},
                    .free_clip_bounds = true,
                    .linear_scaling = true};
    if (of_token) set.weights.emplace_back(Op::kExp, 0.06);
    return set;
  }
  if (name == "circuit") {
    FunctionSet set{.name = name,
                    .weights = {{Op::kAdd, 0.20},
                                {Op::kSub, 0.08},
                                {Op::kMul, 0.20},
                                {Op::kMin, 0.10},
                                {Op::kMax, 0.10},
                                {Op::kNeg, 0.02},
                                {Op::kAbs, 0.08},
                                {Op::kClip, 0.16},
                                {Op::kLog2, 0.06}},
                    .free_clip_bounds = true,
                    .linear_scaling = true};
    if (of_token) set.weights.emplace_back(Op::kExp2, 0.10);
    return set;
  }
  return listed_functions(name);
}

void EvolveOptions::validate() const {
  visit_options(*this, CheckRange());
  require_within("evolve", "threads", threads, 0, 4096);
  const FunctionSet set = normgraft::function_set(function_set);
  for (const std::string& start : starts) check_start(start, max_nodes);
  if (!grid().is_one_kind()) {
    throw InputError(
        fmt::format("evolve: digits is {}, fraction_bits is {} and signed_digits is {}, expected one of them",
                    digits, fraction_bits, signed_digits));
  }
  if (!set.free_clip_bounds && grid().nearest(5) != 5) {
    throw InputError(fmt::format(
        "evolve: function_set {} clips at 5, which has 2 signed digits, expected signed_digits of at least 2",
        function_set));
  }
}

std::string_view measure_name(Measure measure) {
  return measure == Measure::kCount ? "count" : "weight";
}

Json to_json(const EvolveOptions& options) {
  Json json = Json::object();
  visit_options(options, WriteJson{json});
  return json;
}

EvolveOptions evolve_options_at(const JsonPlace& place) {
  EvolveOptions options;
  visit_options(options, ReadJson{place});
  try {
    options.validate();
  } catch (const InputError& error) {
    place.fail(error.what());
  }
  return options;
}

}  // namespace normgraft
