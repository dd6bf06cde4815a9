#include "normgraft/emit/onnx_program.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "normgraft/core/error.h"
#include "normgraft/integer/arithmetic.h"
#include "onnx_curves.h"

namespace normgraft {
namespace {

constexpr int64_t kPixelZero = 128;  ///< the codes of pixels are less so much
constexpr int kNormDigits = 20;      ///< of y / sqrt(D) in a NormStep
constexpr int kLogDigits = 16;       ///< of log2 in a FirstSpreadStep
constexpr int kReciprocalDigits = 15;
constexpr double kNear = 1e-4;

class ProgramGraph {
 public:
  ProgramGraph(const IntegerProgram& program, const OnnxOptions& options)
      : program_(program), graph_(program.architecture, options), held_(program.buffers.size()) {}

  OnnxGraph& make() {
    for (const PlacedStep& each : program_.steps) {
      place_ = each.place;
      graph_.at(place_);
      std::visit([this](const auto& step) { add(step); }, each.step);
    }
    const IntegerBuffer& logits = buffer(program_.logits);
    graph_.at("logits");
    graph_.output("logits", graph_.reshape(read(program_.logits, 1), {logits.width}), {logits.width});
    return graph_;
  }

 private:
  /// What a buffer holds, in real numbers: [B, rows, width], or [rows, width] ahead of any picture.
  struct Held {
    OnnxValue value;
    int64_t rows = 0;
    bool without_channel_0 = false;         ///< no step reads what is there
    std::optional<PatchStep> patches = {};  ///< the value is the picture [B, 3, height, width]
    std::optional<double> step = {};        ///< where it is not the buffer's
  };

  [[noreturn]] void refuse(const std::string& what) const {
    throw InputError(fmt::format("export --to onnx --quantized: {}: {}", place_, what));
  }
  void expect(bool holds, const std::string& what) const {
    if (!holds) refuse(what + ", expected what quantize writes");
  }

  const IntegerBuffer& buffer(BufferIndex index) const {
    return program_.buffers[static_cast<size_t>(index)];
  }
  const IntegerTensor& tensor(const std::string& name) const { return program_.tensors.at(name); }
  Held& held(BufferIndex index) { return held_[static_cast<size_t>(index)]; }

  double step_of(BufferIndex index) {
    const double step = held(index).step.value_or(buffer(index).step);
    expect(step > 0, fmt::format("buffer \"{}\" has no step", buffer(index).name));
    return step;
  }
  std::vector<double> steps_of(BufferIndex index) {
    std::vector<double> steps(static_cast<size_t>(buffer(index).width), step_of(index));
    if (buffer(index).told_step > 0) steps[0] = buffer(index).told_step;
    return steps;
  }

  /// The first rows of what a buffer holds.
  OnnxValue read(BufferIndex index, int64_t rows) {
    const Held& from = held(index);
    expect(!from.value.empty() && from.rows >= rows && !from.patches,
           fmt::format("reads {} rows of buffer \"{}\"", rows, buffer(index).name));
    return from.rows == rows ? from.value : graph_.slice(from.value, 1, 0, rows);
  }

  OnnxValue constant(const std::string& name, const std::vector<int64_t>& shape,
                     const std::vector<double>& values) {
    const std::vector<float> single(values.begin(), values.end());
    return graph_.floats(name, shape, single);
  }

  OnnxValue pair(const OnnxValue& value, double step, int64_t zero) {
    expect(clamp_to_bits(zero, 8) == zero, "has a zero beyond 8 bits");
    const OnnxValue scale = graph_.floats("scale", {}, std::vector<float>{static_cast<float>(step)});
    const OnnxValue of_zero = graph_.bytes("zero", {}, std::vector<int8_t>{static_cast<int8_t>(zero)});
    return graph_.node("DequantizeLinear",
                       {graph_.node("QuantizeLinear", {value, scale, of_zero}), scale, of_zero});
  }

  /// A pair in the steps of a buffer of 8 bits, about these zeros; r, whose step is its own, has another, as
  /// ONNX Runtime adds what has one step alone.
  OnnxValue pairs(BufferIndex index, const OnnxValue& value, int64_t zero, int64_t told_zero) {
    const IntegerBuffer& to = buffer(index);
    if (to.told_step <= 0) return pair(value, step_of(index), zero);
    return graph_.node("Concat",
                       {pair(graph_.slice(value, 2, 0, 1), to.told_step, told_zero),
                        pair(graph_.slice(value, 2, 1, to.width), step_of(index), zero)},
                       {{"axis", int64_t{2}}});
  }

  /// A pair where the buffer has 8 bits; what has 16 stays as it is.
  OnnxValue kept(BufferIndex index, const OnnxValue& value) {
    const IntegerBuffer& to = buffer(index);
    return to.bits == 8 ? pairs(index, value, to.zero, to.told_zero) : value;
  }

  void put(BufferIndex index, const OnnxValue& value, int64_t rows, bool without_channel_0 = false) {
    Held& to = held(index);
    to.value = kept(index, value);
    to.rows = rows;
    to.without_channel_0 = without_channel_0;
  }

  void add(const PatchStep& step) {
    const IntegerBuffer& to = buffer(step.to);
    expect(to.zero >= -kPixelZero && to.zero < kPixelZero, "pixels have a zero beyond 8 bits");
    OnnxValue pixels = graph_.input("pixels", OnnxType::kUint8, {3, step.height, step.width});
    const std::vector<float> scale = {static_cast<float>(step_of(step.to))};
    pixels = graph_.node("DequantizeLinear",
                         {pixels, graph_.floats("scale", {}, scale),
                          graph_.unsigned_byte("zero", static_cast<uint8_t>(to.zero + kPixelZero))});
    held(step.to) = {pixels, to.rows, false, step};
  }

  void add(const FillStep& step) {
    const IntegerBuffer& to = buffer(step.to);
    const std::vector<double> steps = steps_of(step.to);
    const IntegerTensor& codes = tensor(step.tensor);
    std::vector<double> values;
    for (int64_t i = 0; i < codes.size(); ++i) {
      const int64_t c = i % to.width, zero = c == 0 && to.told_step > 0 ? to.told_zero : to.zero;
      values.push_back(steps[static_cast<size_t>(c)] * static_cast<double>(codes.at(i) - zero));
    }
    held(step.to) = {constant("table", {to.rows, to.width}, values), to.rows};
  }

  /// Weights and bias of a Linear as signed bytes and 32 bits behind their DequantizeLinear; [in, out], or
  /// `shape` where it is given.
  struct Operands {
    OnnxValue weight, bias;
  };
  Operands operands(const LinearStep& step, const std::vector<int64_t>& shape = {}) {
    const IntegerTensor &weight = tensor(step.weight), &bias = tensor(step.bias);
    const int64_t out = weight.shape[0], in = weight.shape[1];
    const double from_step = step_of(step.from);
    const int64_t zero = buffer(step.from).zero;
    const std::vector<double> to_steps = steps_of(step.to);
    std::vector<float> scales, bias_scales;
    std::vector<int32_t> biases;
    std::vector<int8_t> codes(static_cast<size_t>(out * in));
    for (int64_t o = 0; o < out; ++o) {
      const int64_t multiplier = tensor(step.multiplier).at(o);
      expect(multiplier > 0, "a multiplier is not positive");
      const double scale =
          std::ldexp(static_cast<double>(multiplier), -static_cast<int>(tensor(step.shift).at(o))) *
          to_steps[static_cast<size_t>(o)] / from_step;
      scales.push_back(static_cast<float>(scale));
      bias_scales.push_back(static_cast<float>(scale * from_step));
      int64_t sum = 0;
      for (int64_t i = held(step.from).without_channel_0 ? 1 : 0; i < in; ++i) {
        const int64_t code = weight.at(o * in + i);
        sum += code;
        codes[static_cast<size_t>(shape.empty() ? i * out + o : o * in + i)] = static_cast<int8_t>(code);
      }
      const int64_t shifted = bias.at(o) + zero * sum;
      expect(std::abs(shifted) <= std::numeric_limits<int32_t>::max(), "a bias is beyond 32 bits");
      biases.push_back(static_cast<int32_t>(shifted));
    }
    const std::vector<int64_t> matrix = shape.empty() ? std::vector<int64_t>{in, out} : shape;
    return {
        graph_.node("DequantizeLinear",
                    {graph_.bytes("weight", matrix, codes), graph_.floats("weight_scale", {out}, scales),
                     graph_.bytes("weight_zero", {out}, std::vector<int8_t>(static_cast<size_t>(out)))},
                    {{"axis", int64_t{shape.empty() ? 1 : 0}}}),
        graph_.node("DequantizeLinear",
                    {graph_.whole("bias", {out}, biases), graph_.floats("bias_scale", {out}, bias_scales)},
                    {{"axis", int64_t{0}}})};
  }

  OnnxValue patch_embedding(const LinearStep& step, const PatchStep& cut, const OnnxValue& picture) {
    const std::vector<int64_t> patch = {cut.patch_height, cut.patch_width};
    const int64_t width = buffer(step.to).width;
    const Operands by = operands(step, {width, 3, cut.patch_height, cut.patch_width});
    const OnnxValue map =
        graph_.node("Conv", {picture, by.weight, by.bias}, {{"kernel_shape", patch}, {"strides", patch}});
    return graph_.transpose(graph_.reshape(map, {width, step.rows}), {0, 2, 1});
  }

  void add(const LinearStep& step) {
    const Held& from = held(step.from);
    OnnxValue value;
    if (from.patches) {
      expect(step.rows == buffer(step.from).rows, "reads some patches only");
      value = patch_embedding(step, *from.patches, from.value);
    } else {
      const Operands by = operands(step);
      value = graph_.node("MatMul", {read(step.from, step.rows), by.weight});
      value = graph_.node("Add", {value, by.bias});
    }
    if (!step.adds) {
      expect(step.zero == buffer(step.to).zero && step.first_row == 0,
             "writes with another zero than its buffer");
      put(step.to, value, step.rows);
      return;
    }
    expect(step.zero == 0, "adds a zero");
    value = graph_.pad_rows(value, step.first_row);
    if (buffer(step.to).bits == 8) value = pairs(step.to, value, 0, 0);  // in its steps
    const int64_t rows = step.first_row + step.rows;
    put(step.to, graph_.node("Add", {read(step.to, rows), value}), rows);
  }

  void add(const ScaleStep& step) {
    const ScaleFunction function = function_of_scale(program_, place_, step);
    const OnnxValue x = read(step.from, step.rows);
    const OnnxValue r = graph_.clip(graph_.slice(x, 2, 0, 1), static_cast<float>(function.low),
                                    static_cast<float>(function.high));
    OnnxValue y = graph_.function(function.f, x, r);
    if (step.floors) y = graph_.node("Sub", {y, graph_.number(static_cast<float>(step_of(step.to) / 2))});
    put(step.to, y, step.rows, /*without_channel_0=*/true);
  }

  void add(const CurveStep& step) {
    const Expression f = function_of_curve(program_, place_, step);
    put(step.to, graph_.function(f, read(step.from, step.rows)), step.rows);
  }

  OnnxValue mean(const OnnxValue& x) {
    return graph_.node("ReduceMean", {x}, {{"axes", std::vector<int64_t>{-1}}, {"keepdims", int64_t{1}}});
  }

  void add(const NormStep& step) {
    const auto width = static_cast<double>(buffer(step.to).width);
    const double x_step = step_of(step.from), y_step = step_of(step.to);
    const double written =
        std::ldexp(static_cast<double>(step.rescale.multiplier), kNormDigits - step.rescale.shift);
    expect(std::abs(written * y_step / std::sqrt(width) - 1) < kNear,
           "the norm has another unit than its buffer");
    const double eps =
        std::ldexp(static_cast<double>(step.eps), step.variance_shift) * x_step * x_step / std::pow(width, 3);
    const OnnxValue x = read(step.from, step.rows);
    const OnnxValue centred = graph_.node("Sub", {x, mean(x)});
    const OnnxValue variance = mean(graph_.node("Mul", {centred, centred}));
    const OnnxValue shifted = graph_.node("Add", {variance, graph_.number(static_cast<float>(eps))});
    put(step.to, graph_.node("Div", {centred, graph_.node("Sqrt", {shifted})}), step.rows);
  }

  void add(const FirstSpreadStep& step) {
    const IntegerBuffer &from = buffer(step.from), &to = buffer(step.to);
    expect(to.told_step > 0, "channel 0 has no step of its own");
    // r = slope log(S) + shift = slope log(S unit); the sum is taken in that unit.
    const double by_log2 = to.told_step * std::ldexp(static_cast<double>(step.rescale.multiplier),
                                                     kLogDigits - step.rescale.shift);
    const double slope = by_log2 / std::log(2.0);
    const double unit = std::exp(to.told_step * static_cast<double>(step.zero - to.told_zero) / slope);
    const double p_step = step_of(step.from);
    std::vector<double> scales, numbers;
    for (int64_t k = 0; k < from.width; ++k)
      scales.push_back(static_cast<double>(tensor(step.scale).at(k)) * unit / (p_step * p_step));
    for (int64_t n = 0; n < to.rows; ++n)
      numbers.push_back(std::ldexp(static_cast<double>(tensor(step.number).at(n)), step.number_shift) * unit);
    const OnnxValue p = read(step.from, to.rows);
    const OnnxValue squares = graph_.node("Mul", {p, p});
    OnnxValue sum = graph_.node("MatMul", {squares, constant("scales", {from.width, 1}, scales)});
    sum = graph_.node("Add", {sum, constant("numbers", {to.rows, 1}, numbers)});
    sum = graph_.node("Log", {graph_.node("Max", {sum, graph_.number(static_cast<float>(unit))})});
    const OnnxValue r = graph_.node("Mul", {sum, graph_.number(static_cast<float>(slope))});
    put(step.to, graph_.with_channel_0(read(step.to, to.rows), r, to.width), to.rows);
  }

  OnnxValue by_head(const OnnxValue& x, const AttentionStep& step, const std::vector<int64_t>& order) {
    const IntegerBuffer& to = buffer(step.to);
    return graph_.transpose(graph_.reshape(x, {to.rows, step.heads, to.width / step.heads}), order);
  }

  /// Queries, keys and values count in a unit in which the product of two is a score.
  void add(const AttentionStep& step) {
    const IntegerBuffer& to = buffer(step.to);
    const std::vector<OnnxValue> parts =
        graph_.nodes("Split", {read(step.from, to.rows)}, 3, {{"axis", int64_t{2}}});
    const OnnxValue query = by_head(parts[0], step, {0, 2, 1, 3}),
                    key = by_head(parts[1], step, {0, 2, 3, 1}),
                    value = by_head(parts[2], step, {0, 2, 1, 3});
    const OnnxValue weights =
        graph_.node("Softmax", {graph_.node("MatMul", {query, key})}, {{"axis", int64_t{-1}}});
    const OnnxValue mixed = graph_.transpose(graph_.node("MatMul", {weights, value}), {0, 2, 1, 3});
    put(step.to, graph_.reshape(mixed, {to.rows, to.width}), to.rows);
  }

 public:
  /// The steps of buffers around attention, which the program does not say.
  void settle_attention() {
    for (const PlacedStep& each : program_.steps) {
      const auto* step = std::get_if<AttentionStep>(&each.step);
      if (step == nullptr) continue;
      const double unit = std::sqrt(rate_of_exponential(program_, each.place, *step));
      held(step->from).step = unit;
      const double ratio =
          std::ldexp(1.0, step->rescale.shift - kReciprocalDigits) / step->rescale.multiplier;
      held(step->to).step = unit * ratio;
    }
  }

 private:
  const IntegerProgram& program_;
  OnnxGraph graph_;
  std::vector<Held> held_;
  std::string place_;
};

}  // namespace

OnnxExport write_onnx(const IntegerProgram& program, const OnnxOptions& options, const std::string& source,
                      const Path& path) {
  ProgramGraph maker(program, options);
  maker.settle_attention();
  OnnxGraph& graph = maker.make();
  const auto plan = program.origin.find("functions");
  graph.describe({source, plan == program.origin.end() ? Json::object() : *plan, program.preprocessing,
                  /*normalised=*/false, program.class_names});
  return graph.write(path);
}

}  // namespace normgraft
