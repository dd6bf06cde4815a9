#include "verilog_vectors.h"

#include <cmath>
#include <type_traits>
#include <vector>

#include "normgraft/core/random.h"
#include "normgraft/integer/arithmetic.h"
#include "normgraft/integer/interpreter.h"

namespace normgraft {
namespace {

/// Tokens of one width.
struct Tokens {
  int64_t rows = 0, width = 0;
  std::vector<int64_t> codes;  ///< row-major
};

/// What a step makes of tokens: a program of this step alone.
std::vector<int32_t> outputs(const IntegerProgram& program, IntegerStep step, const VerilogPorts& ports,
                             const Tokens& tokens) {
  IntegerProgram alone;
  alone.preprocessing.height = alone.preprocessing.width = 1;
  alone.buffers = {{"in", tokens.rows, tokens.width, ports.in_bits, 1, 0, 0, 0},
                   {"out", tokens.rows, tokens.width, ports.out_bits, 1, 0, 0, 0}};
  IntegerTensor& codes = alone.tensors["codes"];
  codes.shape = {tokens.rows, tokens.width};
  codes.bits = 32;
  codes.values32.assign(tokens.codes.begin(), tokens.codes.end());
  std::visit(
      [&](auto& each) {
        using Step = std::decay_t<decltype(each)>;
        if constexpr (std::is_same_v<Step, ScaleStep> || std::is_same_v<Step, CurveStep> ||
                      std::is_same_v<Step, NormStep>) {
          each.from = 0;
          each.to = 1;
          each.rows = tokens.rows;
        }
        if constexpr (std::is_same_v<Step, ScaleStep>)
          alone.tensors[each.g.knots] = program.tensors.at(each.g.knots);
        if constexpr (std::is_same_v<Step, CurveStep>)
          alone.tensors[each.f.knots] = program.tensors.at(each.f.knots);
      },
      step);
  alone.steps = {{"codes", FillStep{0, "codes"}}, {"unit", step}};
  alone.logits = 1;
  return interpret(alone, std::vector<int8_t>(3));
}

void append(std::string& bytes, int64_t value, int bits) {
  for (int shift = 0; shift < bits; shift += 8) bytes += static_cast<char>(value >> shift & 255);
}

class Sweeps {
 public:
  explicit Sweeps(const VerilogPorts& ports)
      : ports_(ports),
        most_(largest_code(ports.in_bits)),
        least_(-most_ - 1),
        least_r_(least_),
        most_r_(most_) {}
  /// Where not every code of r comes.
  Sweeps(const VerilogPorts& ports, int64_t least_r, int64_t most_r) : Sweeps(ports) {
    least_r_ = least_r;
    most_r_ = most_r;
  }

  /// Tokens whose element 0 is r.
  std::vector<Tokens> of_token() const {
    Tokens every_r{most_r_ - least_r_ + 1, 3, {}}, every_x{3, most_ - least_ + 2, {}};
    for (int64_t r = least_r_; r <= most_r_; ++r)
      every_r.codes.insert(every_r.codes.end(), {r, r % 2 == 0 ? most_ : least_, most_ / 3});
    for (const int64_t r : {least_r_, (2 * least_r_ + most_r_) / 3, most_r_}) {
      every_x.codes.push_back(r);
      for (int64_t x = least_; x <= most_; ++x) every_x.codes.push_back(x);
    }
    return {every_r, every_x};
  }

  /// Tokens of x alone.
  std::vector<Tokens> of_elements() const {
    Tokens every_x{1, most_ - least_ + 1, {}};
    for (int64_t x = least_; x <= most_; ++x) every_x.codes.push_back(x);
    return {every_x};
  }

  std::vector<Tokens> of(const ScaleStep&) const { return of_token(); }
  std::vector<Tokens> of(const CurveStep&) const { return of_elements(); }
  std::vector<Tokens> of(const NormStep&) const {
    Tokens tokens{0, ports_.channels, {}};
    Random random({19, static_cast<uint64_t>(ports_.channels)});
    const auto add = [&](const auto& code) {
      for (int64_t c = 0; c < ports_.channels; ++c)
        tokens.codes.push_back(clamp_to_bits(code(c), ports_.in_bits));
      ++tokens.rows;
    };
    // A mean, a spread, and sometimes a channel that lies far out.
    for (int i = 0; i < 48; ++i) {
      const double spread = std::exp2(random.uniform(0, ports_.in_bits - 1));
      const double mean = i % 4 == 0 ? random.uniform(-1, 1) * static_cast<double>(most_) : 0;
      const bool outlier = i % 3 == 0;
      add([&](int64_t c) {
        return std::llround(mean + spread * (random.uniform(-1, 1) + (outlier && c == 1 ? 20 : 0)));
      });
    }
    add([&](int64_t) { return most_; });
    add([&](int64_t) { return least_; });
    add([&](int64_t c) { return c % 2 == 0 ? most_ : least_; });
    add([&](int64_t c) { return c == 0 ? most_ : least_; });
    add([&](int64_t c) { return c == 0 ? least_ : most_; });
    add([&](int64_t) { return 0; });
    return {tokens};
  }

  template <typename Step>
  std::vector<Tokens> of(const Step&) const {
    return {};
  }

 private:
  const VerilogPorts& ports_;
  int64_t most_, least_;
  int64_t least_r_, most_r_;
};

void append(std::string& bytes, const Tokens& tokens, const std::vector<int32_t>& expected) {
  for (int64_t begin = 0; begin < std::ssize(tokens.codes); begin += tokens.width) {
    append(bytes, tokens.width, 32);
    for (int64_t i = 0; i < tokens.width; ++i)
      append(bytes, tokens.codes[static_cast<size_t>(begin + i)], 16);
    for (int64_t i = 0; i < tokens.width; ++i) append(bytes, expected[static_cast<size_t>(begin + i)], 16);
  }
}

}  // namespace

std::string unit_vectors(const IntegerProgram& program, const IntegerStep& step, const VerilogPorts& ports) {
  std::string bytes;
  const std::vector<Tokens> sweeps =
      std::visit([&](const auto& each) { return Sweeps(ports).of(each); }, step);
  for (const Tokens& tokens : sweeps) append(bytes, tokens, outputs(program, step, ports, tokens));
  return bytes;
}

std::string unit_vectors(const Circuit& circuit, const VerilogPorts& ports) {
  const bool of_token = circuit.expression().reads(Op::kR);
  std::string bytes;
  const Sweeps sweeps(ports, circuit.ports().least_r(), circuit.ports().most_r());
  for (const Tokens& tokens : of_token ? sweeps.of_token() : sweeps.of_elements()) {
    std::vector<int32_t> expected;
    for (int64_t i = 0; i < std::ssize(tokens.codes); ++i) {
      const int64_t begin = i - i % tokens.width;
      const int64_t code = tokens.codes[static_cast<size_t>(i)], r = tokens.codes[static_cast<size_t>(begin)];
      const bool is_r = of_token && i == begin;
      expected.push_back(is_r ? 0 : static_cast<int32_t>(circuit(code, of_token ? r : 0)));
    }
    append(bytes, tokens, expected);
  }
  return bytes;
}

}  // namespace normgraft
