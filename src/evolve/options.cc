#include <fmt/format.h>

#include <cmath>

#include "normgraft/evolve/evolve.h"

namespace normgraft {
namespace {

template <typename T>
void check_range(const char* field, T value, T low, T high) {
  if (value < low || value > high || value != value) {
    throw InputError(fmt::format("{} = {}: expected {} to {}", field, value, low, high));
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
  throw InputError(fmt::format("function_set = {}: expected hardware or paper", name));
}

void EvolveOptions::validate() const {
  normgraft::function_set(function_set);
  check_range("population", population, 8, 100'000);
  check_range("generations", generations, 1, 100'000);
  check_range("tournament", tournament, 1, population);
  check_range("max_nodes", max_nodes, 1, 200);
  check_range("initial_depth", initial_depth, 1, 10);
  check_range("constant_iterations", constant_iterations, 0, 1000);
  check_range("tail_penalty", tail_penalty, 0.0, 1e6);
  check_range("seeds", seeds, 1, 1000);
  check_range("threads", threads, 0, 4096);
  check_range("search_bins", search_bins, size_t{16}, size_t{65536});
}

}  // namespace normgraft
