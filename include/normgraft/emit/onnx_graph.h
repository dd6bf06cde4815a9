#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "normgraft/core/files.h"
#include "normgraft/data/preprocess.h"
#include "normgraft/expr/expression.h"

namespace normgraft {

inline constexpr int kLeastOpset = 13, kMostOpset = 17;

/// What is asked of an ONNX file.
struct OnnxOptions {
  int opset = kLeastOpset;  ///< kLeastOpset to kMostOpset
  int64_t batch = 1;        ///< pictures at once, 1 to 65536; 0: any number
};

/// By the words of the command line: an opset, "8" or "dynamic". Throws InputError naming the range.
OnnxOptions onnx_options(int64_t opset, const std::string& batch);

/// What was written.
struct OnnxExport {
  std::map<std::string, int64_t> operators;  ///< how often each is used
  int64_t constant_bytes = 0;                ///< of weights, biases and tables
};

/// The types of numbers that graphs here use.
enum class OnnxType : uint8_t { kFloat, kInt8, kUint8, kInt32, kInt64 };

/// A value in a graph, by its name.
using OnnxValue = std::string;

/// An attribute of a node.
struct OnnxAttribute {
  std::string name;
  std::variant<int64_t, float, std::vector<int64_t>> value;
};

/// What a reader of the file finds beside the graph, as JSON texts.
struct OnnxFacts {
  std::string source;  ///< where the network comes from
  Json plan;           ///< the function of each norm site that has one
  Preprocessing preprocessing;
  bool normalised = true;  ///< whether pictures enter less their mean, over their deviation
  std::vector<std::string> class_names;
};

/// A graph of ONNX operators that is put together node by node, in the order in which they run, and written
/// as one file. Values are named after the place of the network that they stand for: "blocks.3.norm2/Mul".
/// The first dimension of what depends on the pictures is the batch.
class OnnxGraph {
 public:
  OnnxGraph(const std::string& name, const OnnxOptions& options);
  OnnxGraph(const OnnxGraph&) = delete;
  OnnxGraph& operator=(const OnnxGraph&) = delete;
  ~OnnxGraph();

  const OnnxOptions& options() const { return options_; }

  /// The part of the network that the next nodes and constants stand for.
  void at(const std::string& place) { place_ = place; }

  /// What the graph gets and gives, of this shape behind the batch.
  OnnxValue input(const std::string& name, OnnxType type, const std::vector<int64_t>& shape);
  void output(const std::string& name, const OnnxValue& value, const std::vector<int64_t>& shape);

  /// A constant, as many values as the product of `shape`, row-major.
  OnnxValue floats(const std::string& name, const std::vector<int64_t>& shape, std::span<const float> values);
  OnnxValue bytes(const std::string& name, const std::vector<int64_t>& shape, std::span<const int8_t> values);
  OnnxValue unsigned_byte(const std::string& name, uint8_t value);
  OnnxValue whole(const std::string& name, const std::vector<int64_t>& shape,
                  std::span<const int32_t> values);
  /// A number of shape [1], kept once however often it is used.
  OnnxValue number(float value);
  /// A number of no dimensions, kept once.
  OnnxValue scalar(float value);
  /// Whole numbers of shape [n], kept once.
  OnnxValue sizes(const std::vector<int64_t>& values);

  /// A node with one output.
  OnnxValue node(const std::string& op, const std::vector<OnnxValue>& inputs,
                 const std::vector<OnnxAttribute>& attributes = {});
  /// A node with several.
  std::vector<OnnxValue> nodes(const std::string& op, const std::vector<OnnxValue>& inputs, size_t outputs,
                               const std::vector<OnnxAttribute>& attributes = {});

  /// x[..., begin : end, ...] along an axis.
  OnnxValue slice(const OnnxValue& x, int64_t axis, int64_t begin, int64_t end);
  /// x with these dimensions behind the batch.
  OnnxValue reshape(const OnnxValue& x, std::vector<int64_t> shape);
  OnnxValue clip(const OnnxValue& x, float low, float high);
  OnnxValue transpose(const OnnxValue& x, const std::vector<int64_t>& order);
  /// x [B, N, D] with `first` in channel 0: first [B, N, 1].
  OnnxValue with_channel_0(const OnnxValue& x, const OnnxValue& first, int64_t channels);
  /// x [B, N, D] with rows of zeros ahead, so many.
  OnnxValue pad_rows(const OnnxValue& x, int64_t rows);

  /// f element by element: x [B, N, D], r [B, N, 1] where f reads it. Of x g(r) (factor_of_r) g is computed
  /// once a token.
  OnnxValue function(const Expression& f, const OnnxValue& x, const OnnxValue& r = {});

  /// What a reader of the file finds beside the graph.
  void describe(const OnnxFacts& facts);

  /// Writes it, at once or not at all. Throws InputError where it would have 2 GB or more, which no ONNX file
  /// of one piece can.
  OnnxExport write(const Path& path) const;

 private:
  struct Model;
  OnnxValue shared_number(float value, const std::vector<int64_t>& shape);
  std::string unique(const std::string& name);
  std::string in_place(const std::string& name) const;
  OnnxValue constant(const std::string& name, OnnxType type, const std::vector<int64_t>& shape,
                     std::string_view raw);
  OnnxValue evaluate(const Expression& f, const OnnxValue& x, const OnnxValue& r);

  OnnxOptions options_;
  std::unique_ptr<Model> model_;
  std::string place_;
  std::set<std::string> taken_;
  std::map<std::string, OnnxValue> shared_;  ///< numbers and sizes by their text
  OnnxExport written_;
};

}  // namespace normgraft
