#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "normgraft/evolve/evolve.h"

namespace normgraft {
namespace {

template <typename T>
void check_range(const char* field, T value, T low, T high) {
  if (value < low || value > high || value != value) {
    throw InputError(fmt::format("{} = {}: expected {} to {}", field, value, low, high));
  }
}

[[noreturn]] void fail_function_set(const std::string& name) {
  throw InputError(
      fmt::format("function_set = {}: expected hardware, paper, or primitives like +,*,clip=2", name));
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
    const size_t size = Expression::parse(text).size();
    if (size > static_cast<size_t>(max_nodes)) {
      throw InputError(fmt::format("{} nodes, expected at most max_nodes = {}", size, max_nodes));
    }
  } catch (const InputError& error) {
    throw InputError(fmt::format("start {}: {}", text, error.what()));
  }
}

}  // namespace

FunctionSet function_set(const std::string& name) {
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
    return {.name = name,
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
  }
  return listed_functions(name);
}

void EvolveOptions::validate() const {
  normgraft::function_set(function_set);
  check_range("population", population, 8, 100'000);
  check_range("generations", generations, 1, 100'000);
  check_range("islands", islands, 1, population / 8);
  check_range("migration", migration, 1, 100'000);
  check_range("patience", patience, 0, 100'000);
  check_range("tournament", tournament, 1, population);
  check_range("max_nodes", max_nodes, 1, 200);
  check_range("initial_depth", initial_depth, 1, 10);
  check_range("constant_iterations", constant_iterations, 0, 1000);
  check_range("digits", digits, 0, 8);
  check_range("fraction_bits", fraction_bits, -1, 30);
  if (digits > 0 && fraction_bits >= 0) {
    throw InputError(
        fmt::format("digits = {} and fraction_bits = {}: expected one of them", digits, fraction_bits));
  }
  check_range("seconds", seconds, 0.0, 1e9);
  for (const std::string& start : starts) check_start(start, max_nodes);
  check_range("tail_penalty", tail_penalty, 0.0, 1e6);
  check_range("seeds", seeds, 1, 1000);
  check_range("threads", threads, 0, 4096);
  check_range("search_bins", search_bins, size_t{16}, size_t{65536});
}

}  // namespace normgraft
