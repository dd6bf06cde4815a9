#include "normgraft/integer/operations.h"

#include <algorithm>

namespace normgraft {
namespace {

/// Counts what a step does as docs/integer.md writes it down. Numbers between two operations of one step are
/// not counted as bytes; a weight is read once for all rows.
class Counter {
 public:
  explicit Counter(const IntegerProgram& program) : program_(program) {}

  OperationCount count(const IntegerStep& step) {
    count_ = {};
    std::visit([this](const auto& each) { add(each); }, step);
    return count_;
  }

 private:
  const IntegerBuffer& buffer(BufferIndex i) const { return program_.buffers[static_cast<size_t>(i)]; }

  void operations(const char* kind, int64_t times) { count_.operations[kind] += times; }
  void read(int64_t codes, int bits) { count_.bytes_read += codes * bits / 8; }
  void read(const std::string& tensor) {
    const IntegerTensor& read_tensor = program_.tensors.at(tensor);
    read(read_tensor.size(), read_tensor.bits);
  }
  void read_rows(BufferIndex i, int64_t rows) { read(rows * buffer(i).width, buffer(i).bits); }
  void write(int64_t codes, int bits) { count_.bytes_written += codes * bits / 8; }
  void write_rows(BufferIndex i, int64_t rows) { write(rows * buffer(i).width, buffer(i).bits); }

  void clamp(int64_t times) { operations("compare", 2 * times); }
  void round_shift(int64_t times) {
    operations("add", times);
    operations("shift", times);
  }
  void rescale(int64_t times) {
    operations("multiply 32x32", times);
    round_shift(times);
  }
  void curve(const Curve& curve, int64_t times) {
    read(curve.knots);
    clamp(times);
    operations("compare", times);  // with the last interval
    operations("table read", 2 * times);
    operations("shift", 3 * times);  // for i, f and the knot
    operations("add", 4 * times);    // less low, f, the difference of knots, the sum
    operations("multiply 32x32", times);
    round_shift(times);
  }
  /// The place of the leading one and the bits behind it.
  void leading_one(int64_t times) {
    operations("leading one", times);
    operations("shift", times);
    operations("add", times);
  }

  void add(const PatchStep& step) {
    const int64_t pixels = buffer(step.to).rows * buffer(step.to).width;
    read(pixels, 8);
    write_rows(step.to, buffer(step.to).rows);
  }

  void add(const FillStep& step) {
    read(step.tensor);
    write_rows(step.to, buffer(step.to).rows);
  }

  void add(const LinearStep& step) {
    const IntegerBuffer &from = buffer(step.from), &to = buffer(step.to);
    const int64_t outputs = step.rows * to.width;
    operations(from.bits == 8 ? "multiply-add 8x8" : "multiply-add 8x16", outputs * from.width);
    operations("add", 2 * outputs);  // bias and zero
    rescale(outputs);
    clamp(outputs);
    read_rows(step.from, step.rows);
    for (const std::string& tensor : {step.weight, step.bias, step.multiplier, step.shift}) read(tensor);
    if (step.adds) {
      operations("add", outputs);
      read_rows(step.to, step.rows);
    }
    write_rows(step.to, step.rows);
  }

  void add(const ScaleStep& step) {
    const int64_t outputs = step.rows * (buffer(step.to).width - 1);
    curve(step.g, step.rows);
    if (step.r_cut > 0) operations("shift", step.rows);
    if (step.x_cut > 0) {
      operations("shift", 2 * outputs);
      operations("add", outputs);
    }
    operations("multiply 32x32", outputs);
    operations("shift", outputs);
    if (!step.floors) operations("add", outputs);
    clamp(outputs);
    read_rows(step.from, step.rows);
    write_rows(step.to, step.rows);
  }

  void add(const CurveStep& step) {
    const int64_t outputs = step.rows * buffer(step.to).width;
    curve(step.f, outputs);
    clamp(outputs);
    read_rows(step.from, step.rows);
    write_rows(step.to, step.rows);
  }

  void add(const NormStep& step) {
    const int64_t outputs = step.rows * buffer(step.to).width;
    operations("add", 3 * outputs);             // to the sum, less the sum, to the squares
    operations("multiply 32x32", outputs);      // D x
    operations("multiply 64x64", 2 * outputs);  // the square, by the reciprocal
    operations("shift", outputs);
    operations("root", step.rows);
    operations("divide", step.rows);
    round_shift(outputs);
    rescale(outputs);
    clamp(outputs);
    read_rows(step.from, step.rows);
    write_rows(step.to, step.rows);
  }

  void add(const FirstSpreadStep& step) {
    const int64_t rows = buffer(step.from).rows, projections = rows * buffer(step.from).width;
    operations("multiply 32x32", projections);  // the square
    operations("multiply 64x64", projections);  // by its scale
    operations("add", projections);
    operations("shift", 2 * rows);  // of number, of the whole part of the logarithm
    operations("compare", rows);
    leading_one(rows);
    curve(step.log2, rows);
    operations("add", 2 * rows);  // the whole part and the fraction, zero
    rescale(rows);
    clamp(rows);
    read_rows(step.from, rows);
    read(step.scale);
    read(step.number);
    write(rows, buffer(step.to).bits);
  }

  void add(const AttentionStep& step) {
    const int64_t rows = buffer(step.from).rows, width = buffer(step.to).width;
    const int64_t pairs = step.heads * rows * rows, outputs = rows * width;
    operations("multiply-add 8x8", rows * outputs);
    operations(step.exp_bits == 8 ? "multiply-add 8x8" : "multiply-add 8x16", rows * outputs);
    operations("compare", pairs);  // the largest score
    operations("add", 2 * pairs);  // less the largest, to the sum of exponentials
    curve(step.exp, pairs);
    leading_one(step.heads * rows);
    curve(step.reciprocal, step.heads * rows);
    operations("multiply 32x32", outputs);
    round_shift(outputs);
    rescale(outputs);
    clamp(outputs);
    read_rows(step.from, rows);
    write_rows(step.to, rows);
  }

  const IntegerProgram& program_;
  OperationCount count_;
};

void operator+=(OperationCount& sum, const OperationCount& count) {
  for (const auto& [kind, times] : count.operations) sum.operations[kind] += times;
  sum.bytes_read += count.bytes_read;
  sum.bytes_written += count.bytes_written;
}

}  // namespace

std::vector<std::pair<std::string, OperationCount>> count_operations(const IntegerProgram& program) {
  std::vector<std::pair<std::string, OperationCount>> places;
  for (const PlacedStep& placed : program.steps) {
    const OperationCount count = Counter(program).count(placed.step);
    auto at = std::find_if(places.begin(), places.end(),
                           [&](const auto& place) { return place.first == placed.place; });
    if (at == places.end()) at = places.insert(places.end(), {placed.place, {}});
    at->second += count;
  }
  return places;
}

ProgramOperations sum_operations(const IntegerProgram& program) {
  ProgramOperations sums;
  for (const auto& [place, count] : count_operations(program)) {
    sums.all += count;
    const bool is_site = std::find(program.sites.begin(), program.sites.end(), place) != program.sites.end();
    if (is_site) sums.sites += count;
  }
  return sums;
}

}  // namespace normgraft
