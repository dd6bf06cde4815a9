#include "c_network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "c_kernels.h"
#include "c_names.h"

namespace normgraft {
namespace {

constexpr const char* kEntry = R"c(
int network(const int8_t *picture, int32_t *logits, void *arena) {
  unsigned char *const bytes = arena;
  if (!picture || !logits || !arena || (uintptr_t)arena % NETWORK_ARENA_ALIGNMENT != 0) return 1;
)c";

class NetworkWriter {
 public:
  NetworkWriter(const IntegerProgram& program, const ArenaPlan& plan, CConstants& constants)
      : program_(program), plan_(plan), constants_(constants) {}

  std::string text() {
    std::string calls;
    for (const Pass& pass : plan_.passes) calls += pass_text(pass);
    const int64_t classes = buffer(plan_.logits).width;
    calls += fmt::format(
        "  {{\n    const int32_t *const in_arena = (void *)(bytes + {});\n"
        "    for (int32_t c = 0; c < {}; ++c) logits[c] = in_arena[c];\n  }}\n  return 0;\n}}\n",
        plan_.slots[plan_.logits].offset, classes);
    return "/* Written by normgraft. */\n#include \"network.h\"\n" + kernels_.text() +
           "\n/* Constants. */\n" + constants_.declarations() +
           "\n/* Parameters of the steps, by their places. */\n" + parameters_ + kEntry + calls;
  }

 private:
  /// Where a step's numbers are, in C.
  struct At {
    std::string from, to, scratch;
    int from_bits = 0, to_bits = 0;
  };

  const IntegerBuffer& buffer(BufferIndex index) const {
    return program_.buffers[static_cast<size_t>(index)];
  }
  const IntegerBuffer& buffer(size_t slot) const { return buffer(*plan_.slots[slot].buffer); }
  int knot_bits(const Curve& curve) const { return program_.tensors.at(curve.knots).bits; }

  /// The initialiser of a curve.
  std::string curve(const Curve& curve) {
    const int64_t intervals = program_.tensors.at(curve.knots).size() - 1;
    return fmt::format("{{{}, {}, {}, {}, {}}}", constants_.pointer(curve.knots), curve.low, intervals,
                       curve.shift, curve.fraction);
  }

  /// Defines the parameters of a step, a struct of the kernel `of`, and returns their name.
  std::string parameters(const std::string& of, const std::string& place, const std::string& values) {
    std::string name = names_.unique("p_", place);
    parameters_ += fmt::format("static const {}_of {} = {{{}}};\n", of, name, values);
    return name;
  }

  std::string pass_text(const Pass& pass) {
    std::map<size_t, std::string> pointers;  // by slot
    CNames names;
    std::string definitions, calls;
    std::vector<std::string> places;
    const auto pointer = [&](size_t slot) {
      const ArenaSlot& at = plan_.slots[slot];
      const auto [found, is_new] = pointers.try_emplace(slot);
      if (!is_new) return found->second;
      found->second = names.unique("b_", at.buffer ? buffer(*at.buffer).name : "scratch");
      definitions += fmt::format("    int{}_t *const {} = (void *)(bytes + {});\n",
                                 at.buffer ? buffer(*at.buffer).bits : 32, found->second, at.offset);
      return found->second;
    };
    for (const PlannedStep& planned : pass.steps) {
      const PlacedStep& placed = program_.steps[planned.step];
      At at;
      at.to_bits = buffer(planned.to).bits;
      const auto* linear = std::get_if<LinearStep>(&placed.step);
      const bool mixes = std::holds_alternative<AttentionStep>(placed.step);
      if (planned.from) {
        at.from_bits = buffer(*planned.from).bits;
        at.from = mixes ? pointer(*planned.from) : row(pointer(*planned.from), *planned.from, 0);
      }
      at.to = row(pointer(planned.to), planned.to, linear ? linear->first_row : 0);
      if (planned.scratch) at.scratch = pointer(*planned.scratch);
      calls += "      " + std::visit([&](const auto& s) { return call(placed.place, s, at); }, placed.step) +
               ";\n";
      places.push_back(c_comment(placed.place));
    }
    return fmt::format("  {{ /* {} */\n{}    for (int32_t n = 0; n < {}; ++n) {{\n{}    }}\n  }}\n",
                       fmt::join(places, ", "), definitions, pass.rows, calls);
  }

  /// Row n + first of a slot.
  std::string row(const std::string& pointer, size_t slot, int64_t first) const {
    if (plan_.slots[slot].one_row) return pointer;
    const std::string n = first > 0 ? fmt::format("(n + {})", first) : "n";
    return fmt::format("{} + {} * {}", pointer, n, buffer(slot).width);
  }

  std::string call(const std::string& place, const PatchStep& s, const At& at) {
    const std::string kernel = kernels_.patch(at.to_bits);
    const std::string p = parameters(
        "patch", place, fmt::format("{}, {}, {}, {}", s.height, s.width, s.patch_height, s.patch_width));
    return fmt::format("{}(&{}, picture, n, {})", kernel, p, at.to);
  }

  std::string call(const std::string&, const FillStep& s, const At& at) {
    const int64_t width = buffer(s.to).width;
    return fmt::format("{}({} + n * {}, {}, {})",
                       kernels_.fill(program_.tensors.at(s.tensor).bits, at.to_bits),
                       constants_.pointer(s.tensor), width, width, at.to);
  }

  std::string call(const std::string& place, const LinearStep& s, const At& at) {
    const std::string kernel = kernels_.linear(at.from_bits, at.to_bits);
    const std::string p = parameters(
        "linear", place,
        fmt::format("{}, {}, {}, {}, {}", constants_.pointers({s.weight, s.bias, s.multiplier, s.shift}),
                    buffer(s.from).width, buffer(s.to).width, s.zero, s.adds ? 1 : 0));
    return fmt::format("{}(&{}, {}, {})", kernel, p, at.from, at.to);
  }

  std::string call(const std::string& place, const ScaleStep& s, const At& at) {
    const int knots = knot_bits(s.g);
    if (s.cuts()) {
      const std::string kernel = kernels_.cut_scale(at.from_bits, at.to_bits, knots);
      const std::string p = parameters(fmt::format("cut_scale_{}", knots), place,
                                       fmt::format("{}, {}, {}, {}, {}, {}", curve(s.g), buffer(s.to).width,
                                                   s.shift, s.r_cut, s.x_cut, s.floors ? 1 : 0));
      return fmt::format("{}(&{}, {}, {})", kernel, p, at.from, at.to);
    }
    const std::string kernel = kernels_.scale(at.from_bits, at.to_bits, knots);
    const std::string p = parameters(fmt::format("scale_{}", knots), place,
                                     fmt::format("{}, {}, {}", curve(s.g), buffer(s.to).width, s.shift));
    return fmt::format("{}(&{}, {}, {})", kernel, p, at.from, at.to);
  }

  std::string call(const std::string& place, const CurveStep& s, const At& at) {
    const int knots = knot_bits(s.f);
    const std::string kernel = kernels_.curve(at.from_bits, at.to_bits, knots);
    const std::string p = parameters(fmt::format("curve_{}", knots), place,
                                     fmt::format("{}, {}", curve(s.f), buffer(s.to).width));
    return fmt::format("{}(&{}, {}, {})", kernel, p, at.from, at.to);
  }

  std::string call(const std::string& place, const NormStep& s, const At& at) {
    const std::string kernel = kernels_.norm(at.from_bits, at.to_bits);
    const std::string p = parameters("norm", place,
                                     fmt::format("{}, {}, {}, {}, {}", s.eps, buffer(s.to).width,
                                                 s.rescale.multiplier, s.variance_shift, s.rescale.shift));
    return fmt::format("{}(&{}, {}, {})", kernel, p, at.from, at.to);
  }

  std::string call(const std::string& place, const FirstSpreadStep& s, const At& at) {
    const int knots = knot_bits(s.log2);
    const std::string kernel = kernels_.first_spread(at.from_bits, at.to_bits, knots);
    const std::string p = parameters(
        fmt::format("first_spread_{}", knots), place,
        fmt::format("{}, {}, {}, {}, {}, {}, {}", constants_.pointers({s.scale, s.number}), curve(s.log2),
                    buffer(s.from).width, s.rescale.multiplier, s.zero, s.number_shift, s.rescale.shift));
    return fmt::format("{}(&{}, n, {}, {})", kernel, p, at.from, at.to);
  }

  std::string call(const std::string& place, const AttentionStep& s, const At& at) {
    const int exp = knot_bits(s.exp), reciprocal = knot_bits(s.reciprocal);
    const std::string exp_curve = curve(s.exp);
    const std::string kernel = kernels_.attention(at.to_bits, exp, reciprocal);
    const std::string p = parameters(
        fmt::format("attention_{}_{}", exp, reciprocal), place,
        fmt::format("{}, {}, {}, {}, {}, {}, {}", exp_curve, curve(s.reciprocal), buffer(s.from).rows,
                    s.heads, buffer(s.to).width / s.heads, s.rescale.multiplier, s.rescale.shift));
    return fmt::format("{}(&{}, {}, n, {}, {})", kernel, p, at.from, at.to, at.scratch);
  }

  const IntegerProgram& program_;
  const ArenaPlan& plan_;
  CConstants& constants_;
  CKernels kernels_;
  CNames names_;
  std::string parameters_;
};

}  // namespace

std::string c_network(const IntegerProgram& program, const ArenaPlan& plan, CConstants& constants) {
  return NetworkWriter(program, plan, constants).text();
}

}  // namespace normgraft
