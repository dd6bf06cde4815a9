#include "normgraft/cost/profile.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <vector>

#include "builtin_profiles.h"
#include "normgraft/core/error.h"

namespace normgraft {
namespace {

bool is_leaf(const Primitive& p) {
  return p.arity == 0;
}

[[noreturn]] void fail(const std::string& file, const std::string& problem) {
  throw InputError(fmt::format("profile {}: {}", file, problem));
}

std::string text_field(const Json& json, const char* key, const std::string& file) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string() || found->get_ref<const std::string&>().empty()) {
    fail(file, fmt::format("expected a text that is not empty in \"{}\"", key));
  }
  return found->get<std::string>();
}

double price_at(const Json& value, const std::string& place, const std::string& file) {
  if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0)
    fail(file, fmt::format("{} = {}: expected a finite number of at least 0", place, value.dump()));
  return value.get<double>();
}

std::map<std::string, double, std::less<>> cost_field(const Json& json, const std::string& file) {
  const auto found = json.find("cost");
  if (found == json.end() || !found->is_object()) fail(file, "expected an object in \"cost\"");
  std::map<std::string, double, std::less<>> cost;
  for (const auto& [name, value] : found->items()) {
    if (!find_primitive(name)) fail(file, fmt::format("cost.{}: there is no primitive of that name", name));
    cost[name] = price_at(value, "cost." + name, file);
  }
  for (const Primitive& p : primitives()) {
    if (cost.contains(p.name)) continue;
    if (!is_leaf(p)) fail(file, fmt::format("cost.{} is missing", p.name));
    cost[std::string(p.name)] = 0;
  }
  return cost;
}

CircuitParts parts_field(const Json& parts, const std::string& file) {
  if (!parts.is_object()) fail(file, "expected an object in \"parts\"");
  CircuitParts result{};
  std::set<std::string> known;
  for (size_t i = 0; i < result.size(); ++i) {
    const std::string part(part_name(static_cast<CircuitPart>(i)));
    known.insert(part);
    const auto found = parts.find(part);
    if (found == parts.end()) fail(file, fmt::format("parts.{} is missing", part));
    result[i] = price_at(*found, "parts." + part, file);
  }
  for (const auto& [name, value] : parts.items())
    if (!known.contains(name)) fail(file, fmt::format("parts.{}: there is no part of that name", name));
  return result;
}

/// Of one measured LayerNorm unit; `place` is its entry.
LayerNormArea layernorm_from(const Json& entry, const std::string& place, const std::string& file) {
  const auto number = [&](const char* key) {
    const auto found = entry.is_object() ? entry.find(key) : entry.end();
    if (found == entry.end()) fail(file, fmt::format("{}.{} is missing", place, key));
    return price_at(*found, fmt::format("{}.{}", place, key), file);
  };
  const double width = number("width");
  if (width < 1 || width > 1e9 || width != std::floor(width))
    fail(file, fmt::format("{}.width = {}: expected a whole number from 1 to 1e9", place, width));
  return {static_cast<int64_t>(width), number("lut"), number("ram_bits"), number("clocks")};
}

std::vector<LayerNormArea> layernorm_field(const Json& list, const std::string& file) {
  if (!list.is_array()) fail(file, "expected an array in \"layernorm\"");
  std::vector<LayerNormArea> result;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string place = fmt::format("layernorm[{}]", i);
    result.push_back(layernorm_from(list[i], place, file));
    if (i > 0 && result[i].width <= result[i - 1].width)
      fail(file, fmt::format("{}.width = {}: expected rising widths", place, result[i].width));
  }
  return result;
}

Profile profile_from(const Json& json, const std::string& file) {
  if (!json.is_object()) fail(file, "expected an object with name, unit and cost or parts");
  Profile profile{.name = text_field(json, "name", file),
                  .unit = text_field(json, "unit", file),
                  .cost = {},
                  .parts = {},
                  .layernorm = {}};
  const auto parts = json.find("parts");
  if (parts == json.end()) {
    profile.cost = cost_field(json, file);
    return profile;
  }
  if (json.contains("cost")) fail(file, "expected \"cost\" or \"parts\", not both");
  profile.parts = parts_field(*parts, file);
  if (const auto layernorm = json.find("layernorm"); layernorm != json.end())
    profile.layernorm = layernorm_field(*layernorm, file);
  return profile;
}

}  // namespace

double Profile::operator()(const Expression& f) const {
  double sum = 0;
  for (const Instruction& step : f.program()) sum += price(step.op);
  return sum;
}

double Profile::price(Op op) const {
  const std::string_view primitive_name = primitive(op).name;
  const auto found = cost.find(primitive_name);
  if (found == cost.end()) {
    throw InputError(fmt::format("profile {} has no cost for the primitive {}", name, primitive_name));
  }
  return found->second;
}

double cost_per_element(const Expression& f, const Profile& profile, int64_t channels) {
  struct Part {
    bool varies;  ///< with x
    double leaf;  ///< what the leaf costs that it is
  };
  double per_element = 0, per_token = 0;
  const auto count = [&](bool varies, double cost) { (varies ? per_element : per_token) += cost; };
  std::vector<Part> stack;
  for (const Instruction& step : f.program()) {
    const int arity = primitive(step.op).arity;
    double cost = profile.price(step.op);
    if (arity == 0) {
      stack.push_back({step.op == Op::kX, cost});
      continue;
    }
    bool varies = false;
    for (int k = 0; k < arity; ++k) {
      varies = varies || stack.back().varies;
      cost += stack.back().leaf;
      stack.pop_back();
    }
    count(varies, cost);
    stack.push_back({varies, 0});
  }
  count(stack.back().varies, stack.back().leaf);
  return per_element + per_token / static_cast<double>(channels);
}

Profile flops_profile(double clip_cost) {
  Profile profile{.name = "flops", .unit = "FLOPs", .cost = {}, .parts = {}, .layernorm = {}};
  const auto set = [&](Op op, double flops) { profile.cost[std::string(primitive(op).name)] = flops; };
  // Published.
  set(Op::kConstant, 0);
  set(Op::kX, 0);
  set(Op::kR, 0);
  set(Op::kAdd, 1);
  set(Op::kSub, 1);
  set(Op::kMul, 1);
  set(Op::kNeg, 0);
  set(Op::kClip, clip_cost);
  set(Op::kTanh, 23);
  set(Op::kSigmoid, 22);
  // By the same rule: an arithmetic operation or a comparison counts 1, a change of the sign bit 0.
  set(Op::kDiv, 1);
  set(Op::kMin, 1);
  set(Op::kMax, 1);
  set(Op::kAbs, 0);
  set(Op::kSquare, 1);
  set(Op::kSqrt, 1);   // an IEEE 754 basic operation, like division
  set(Op::kRsqrt, 2);  // sqrt and division
  set(Op::kExp, 20);   // sigmoid without its addition and division; tanh too is exp, -, + and /
  set(Op::kLog,
      20);  // exp backwards: a polynomial of like degree, and the exponent taken out instead of put in
  set(Op::kExp2, 19);  // exp without the product that makes a power of two of it
  set(Op::kLog2, 19);  // log, likewise
  // Abramowitz and Stegun 7.1.26: t = 1/(1 + p|a|) 3, five terms in t by Horner 9, exp(-a^2) 21, times, 1
  // minus.
  set(Op::kErf, 35);
  return profile;
}

Profile load_profile(const std::string& name_or_path) {
  if (name_or_path == "flops") return flops_profile();
  for (const BuiltinProfile& builtin : builtin_profiles())
    if (builtin.name == name_or_path) return profile_from(Json::parse(builtin.json), name_or_path);
  std::error_code error;
  if (!std::filesystem::exists(name_or_path, error)) {
    throw InputError(
        fmt::format("unknown profile {}: expected flops, ice40, ecp5, or a JSON file with name, unit and "
                    "cost or parts",
                    name_or_path));
  }
  return profile_from(read_json(name_or_path, "profile"), name_or_path);
}

std::optional<LayerNormArea> layernorm_area(const Profile& profile, int64_t channels) {
  const std::vector<LayerNormArea>& measured = profile.layernorm;
  if (measured.empty()) return std::nullopt;
  LayerNormArea area = channels < measured.front().width ? measured.front() : measured.back();
  for (size_t i = 0; i + 1 < measured.size(); ++i) {
    const LayerNormArea &low = measured[i], &high = measured[i + 1];
    if (channels < low.width || channels >= high.width) continue;
    const auto between = [&](double a, double b, const auto& place) {
      return a + (b - a) * (place(channels) - place(low.width)) / (place(high.width) - place(low.width));
    };
    const auto itself = [](int64_t d) { return static_cast<double>(d); };
    const auto logarithm = [](int64_t d) { return std::log2(static_cast<double>(d)); };
    area = {channels, between(low.logic, high.logic, logarithm),
            between(low.ram_bits, high.ram_bits, logarithm), between(low.clocks, high.clocks, itself)};
  }
  area.width = channels;
  return area;
}

double layernorm_flops_per_element(int64_t channels) {
  // Over D channels: mean D - 1 additions and a product, variance D squares, D - 1 additions and a product,
  // D differences, D products; and once for each token epsilon's addition and the reciprocal square root.
  const double once = 1 + flops_profile()(Expression({Instruction{}, Instruction{.op = Op::kRsqrt}}));
  return 5 + once / static_cast<double>(channels);
}

}  // namespace normgraft
