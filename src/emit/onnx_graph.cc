#include "normgraft/emit/onnx_graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <onnx/onnx_pb.h>

#include <limits>

#include "normgraft/core/error.h"
#include "normgraft/core/require.h"

namespace normgraft {
namespace {

constexpr int64_t kMostPictures = 65536;
constexpr int64_t kIrOfOpset13 = 7, kIrOfOpset15 = 8;
constexpr int kOpsetOfIr8 = 15;

int32_t onnx_type(OnnxType type) {
  switch (type) {
    case OnnxType::kInt8:
      return onnx::TensorProto::INT8;
    case OnnxType::kUint8:
      return onnx::TensorProto::UINT8;
    case OnnxType::kInt32:
      return onnx::TensorProto::INT32;
    case OnnxType::kInt64:
      return onnx::TensorProto::INT64;
    case OnnxType::kFloat:
      break;
  }
  return onnx::TensorProto::FLOAT;
}

template <typename T>
std::string_view raw_bytes(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

void set_value(onnx::AttributeProto& attribute, int64_t value) {
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
}

void set_value(onnx::AttributeProto& attribute, float value) {
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
}

void set_value(onnx::AttributeProto& attribute, const std::vector<int64_t>& values) {
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute.add_ints(value);
}

}  // namespace

struct OnnxGraph::Model {
  onnx::ModelProto proto;
};

OnnxOptions onnx_options(int64_t opset, const std::string& batch) {
  OnnxOptions options;
  if (opset < kLeastOpset || opset > kMostOpset) {
    throw InputError(fmt::format("export --opset {}: expected {} to {}", opset, kLeastOpset, kMostOpset));
  }
  options.opset = static_cast<int>(opset);
  options.batch = 0;
  if (batch == "dynamic") return options;
  const bool digits = !batch.empty() && batch.find_first_not_of("0123456789") == std::string::npos;
  if (digits && batch.size() <= 5) options.batch = std::stoll(batch);
  if (options.batch < 1 || options.batch > kMostPictures) {
    throw InputError(
        fmt::format("export --batch {}: expected a number from 1 to {}, or dynamic", batch, kMostPictures));
  }
  return options;
}

OnnxGraph::OnnxGraph(const std::string& name, const OnnxOptions& options)
    : options_(options), model_(std::make_unique<Model>()) {
  onnx::ModelProto& model = model_->proto;
  model.set_ir_version(options.opset < kOpsetOfIr8 ? kIrOfOpset13 : kIrOfOpset15);
  model.set_producer_name("normgraft");
  model.set_producer_version(NORMGRAFT_VERSION);
  onnx::OperatorSetIdProto* opset = model.add_opset_import();
  opset->set_domain("");
  opset->set_version(options.opset);
  model.mutable_graph()->set_name(name);
}

OnnxGraph::~OnnxGraph() = default;

std::string OnnxGraph::unique(const std::string& name) {
  std::string free = name;
  for (int count = 2; !taken_.insert(free).second; ++count) free = fmt::format("{}_{}", name, count);
  return free;
}

std::string OnnxGraph::in_place(const std::string& name) const {
  return place_.empty() ? name : fmt::format("{}/{}", place_, name);
}

OnnxValue OnnxGraph::input(const std::string& name, OnnxType type, const std::vector<int64_t>& shape) {
  onnx::ValueInfoProto* info = model_->proto.mutable_graph()->add_input();
  info->set_name(unique(name));
  onnx::TypeProto::Tensor* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(onnx_type(type));
  onnx::TensorShapeProto::Dimension* batch = tensor->mutable_shape()->add_dim();
  if (options_.batch > 0) {
    batch->set_dim_value(options_.batch);
  } else {
    batch->set_dim_param("batch");
  }
  for (const int64_t extent : shape) tensor->mutable_shape()->add_dim()->set_dim_value(extent);
  return info->name();
}

void OnnxGraph::output(const std::string& name, const OnnxValue& value, const std::vector<int64_t>& shape) {
  onnx::GraphProto* graph = model_->proto.mutable_graph();
  onnx::NodeProto* last = graph->mutable_node(graph->node_size() - 1);
  require(last->output_size() == 1 && last->output(0) == value, "export", "output", value, "the last node's");
  last->set_output(0, unique(name));
  onnx::ValueInfoProto* info = graph->add_output();
  *info = graph->input(0);
  info->set_name(last->output(0));
  onnx::TypeProto::Tensor* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(onnx::TensorProto::FLOAT);
  while (tensor->shape().dim_size() > 1) tensor->mutable_shape()->mutable_dim()->RemoveLast();
  for (const int64_t extent : shape) tensor->mutable_shape()->add_dim()->set_dim_value(extent);
}

OnnxValue OnnxGraph::constant(const std::string& name, OnnxType type, const std::vector<int64_t>& shape,
                              std::string_view raw) {
  onnx::TensorProto* tensor = model_->proto.mutable_graph()->add_initializer();
  tensor->set_name(unique(name));
  tensor->set_data_type(onnx_type(type));
  for (const int64_t extent : shape) tensor->add_dims(extent);
  tensor->set_raw_data(raw.data(), raw.size());
  written_.constant_bytes += static_cast<int64_t>(raw.size());
  return tensor->name();
}

OnnxValue OnnxGraph::floats(const std::string& name, const std::vector<int64_t>& shape,
                            std::span<const float> values) {
  return constant(in_place(name), OnnxType::kFloat, shape, raw_bytes(values));
}

OnnxValue OnnxGraph::bytes(const std::string& name, const std::vector<int64_t>& shape,
                           std::span<const int8_t> values) {
  return constant(in_place(name), OnnxType::kInt8, shape, raw_bytes(values));
}

OnnxValue OnnxGraph::unsigned_byte(const std::string& name, uint8_t value) {
  return constant(in_place(name), OnnxType::kUint8, {}, raw_bytes(std::span<const uint8_t>(&value, 1)));
}

OnnxValue OnnxGraph::whole(const std::string& name, const std::vector<int64_t>& shape,
                           std::span<const int32_t> values) {
  return constant(in_place(name), OnnxType::kInt32, shape, raw_bytes(values));
}

OnnxValue OnnxGraph::shared_number(float value, const std::vector<int64_t>& shape) {
  const std::string text = fmt::format("{}{}", shape.empty() ? "scalar " : "", value);
  OnnxValue& shared = shared_[text];
  if (shared.empty())
    shared = constant(text, OnnxType::kFloat, shape, raw_bytes(std::span<const float>(&value, 1)));
  return shared;
}

OnnxValue OnnxGraph::number(float value) {
  return shared_number(value, {1});
}

OnnxValue OnnxGraph::scalar(float value) {
  return shared_number(value, {});
}

OnnxValue OnnxGraph::sizes(const std::vector<int64_t>& values) {
  const std::string text = fmt::format("[{}]", fmt::join(values, ", "));
  OnnxValue& shared = shared_[text];
  if (shared.empty()) {
    shared =
        constant(text, OnnxType::kInt64, {std::ssize(values)}, raw_bytes(std::span<const int64_t>(values)));
  }
  return shared;
}

OnnxValue OnnxGraph::node(const std::string& op, const std::vector<OnnxValue>& inputs,
                          const std::vector<OnnxAttribute>& attributes) {
  return nodes(op, inputs, 1, attributes).front();
}

std::vector<OnnxValue> OnnxGraph::nodes(const std::string& op, const std::vector<OnnxValue>& inputs,
                                        size_t outputs, const std::vector<OnnxAttribute>& attributes) {
  onnx::NodeProto* node = model_->proto.mutable_graph()->add_node();
  node->set_op_type(op);
  for (const OnnxValue& input : inputs) node->add_input(input);
  for (const OnnxAttribute& attribute : attributes) {
    onnx::AttributeProto* made = node->add_attribute();
    made->set_name(attribute.name);
    std::visit([made](const auto& value) { set_value(*made, value); }, attribute.value);
  }
  std::vector<OnnxValue> values;
  for (size_t i = 0; i < outputs; ++i) {
    values.push_back(unique(in_place(op)));
    node->add_output(values.back());
  }
  node->set_name(values.front());
  ++written_.operators[op];
  return values;
}

OnnxValue OnnxGraph::slice(const OnnxValue& x, int64_t axis, int64_t begin, int64_t end) {
  return node("Slice", {x, sizes({begin}), sizes({end}), sizes({axis})});
}

OnnxValue OnnxGraph::reshape(const OnnxValue& x, std::vector<int64_t> shape) {
  shape.insert(shape.begin(), 0);  // as it is in x
  return node("Reshape", {x, sizes(shape)});
}

OnnxValue OnnxGraph::clip(const OnnxValue& x, float low, float high) {
  return node("Clip", {x, scalar(low), scalar(high)});
}

OnnxValue OnnxGraph::transpose(const OnnxValue& x, const std::vector<int64_t>& order) {
  return node("Transpose", {x}, {{"perm", order}});
}

OnnxValue OnnxGraph::with_channel_0(const OnnxValue& x, const OnnxValue& first, int64_t channels) {
  return node("Concat", {first, slice(x, 2, 1, channels)}, {{"axis", int64_t{2}}});
}

OnnxValue OnnxGraph::pad_rows(const OnnxValue& x, int64_t rows) {
  return rows == 0 ? x : node("Pad", {x, sizes({0, rows, 0, 0, 0, 0})});
}

void OnnxGraph::describe(const OnnxFacts& facts) {
  const Preprocessing& p = facts.preprocessing;
  Json preparation{{"height", p.height},
                   {"width", p.width},
                   {"crop_pct", p.crop_pct},
                   {"crop_mode", p.crop_mode},
                   {"interpolation", p.interpolation == Interpolation::kBicubic ? "bicubic" : "bilinear"}};
  if (facts.normalised) preparation.update(Json{{"mean", p.mean}, {"std", p.std}});
  const auto add = [this](const char* key, const std::string& value) {
    onnx::StringStringEntryProto* entry = model_->proto.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  };
  add("source", facts.source);
  add("plan", facts.plan.dump());
  add("preprocessing", preparation.dump());
  if (!facts.class_names.empty()) add("class_names", Json(facts.class_names).dump());
}

OnnxExport OnnxGraph::write(const Path& path) const {
  const size_t size = model_->proto.ByteSizeLong();
  if (size > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    throw InputError(fmt::format("export --to onnx: {} would have {} bytes, expected less than 2 GB",
                                 path.string(), size));
  }
  write_atomically(path, [this](std::ostream& out) {
    if (!model_->proto.SerializeToOstream(&out)) out.setstate(std::ios::failbit);
  });
  return written_;
}

}  // namespace normgraft
