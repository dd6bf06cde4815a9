#include "c_constants.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iterator>

namespace normgraft {
namespace {

/// static const int8_t NAME[3] = {1, 2, 3}; in lines that a reader can bear.
std::string array(const std::string& name, const IntegerTensor& tensor) {
  std::string text = fmt::format("\nstatic const int{}_t {}[{}] = {{", tensor.bits, name, tensor.size());
  size_t line = 0;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    const bool breaks = i == 0 || text.size() - line > 110;
    text += breaks ? "\n    " : " ";
    if (breaks) line = text.size();
    fmt::format_to(std::back_inserter(text), "{},", tensor.at(i));
  }
  return text + "\n};\n";
}

void append_little_endian(std::string& bytes, const IntegerTensor& tensor) {
  for (int64_t i = 0; i < tensor.size(); ++i) {
    const auto value = static_cast<uint64_t>(tensor.at(i));
    for (int shift = 0; shift < tensor.bits; shift += 8) bytes += static_cast<char>(value >> shift & 255);
  }
}

constexpr int kWidths[] = {32, 16, 8};  // in the order of the file, so that all are aligned

}  // namespace

std::string CConstants::pointer(const std::string& name) {
  const auto [found, is_new] = pointers_.try_emplace(name);
  if (!is_new) return found->second;
  const IntegerTensor& tensor = program_.tensors.at(name);
  int64_t& values = values_[tensor.bits];
  if (weights_ == CWeights::kBinary) {
    found->second = fmt::format("network_values_{} + {}", tensor.bits, values);
  } else {
    found->second = names_.unique("t_", name);
    arrays_ += array(found->second, tensor);
  }
  tensors_[tensor.bits].push_back(&tensor);
  values += tensor.size();
  return found->second;
}

std::string CConstants::pointers(std::initializer_list<std::string> names) {
  std::vector<std::string> each;
  for (const std::string& name : names) each.push_back(pointer(name));
  return fmt::format("{}", fmt::join(each, ", "));
}

std::string CConstants::declarations() const {
  if (weights_ == CWeights::kArray) return arrays_;
  std::string text = "\n/* network.weights, little-endian, by way of network_weights.S. */\n";
  for (const auto& [bits, values] : values_)
    text += fmt::format("extern const int{0}_t network_values_{0}[{1}];\n", bits, values);
  return text;
}

std::string CConstants::binary() const {
  std::string bytes;
  for (const int bits : kWidths) {
    const auto found = tensors_.find(bits);
    if (found == tensors_.end()) continue;
    for (const IntegerTensor* tensor : found->second) append_little_endian(bytes, *tensor);
  }
  return bytes;
}

std::string CConstants::assembly() const {
  std::string text = "/* Written by normgraft. */\n  .section .rodata\n";
  int64_t offset = 0;
  for (const int bits : kWidths) {
    const auto found = values_.find(bits);
    if (found == values_.end()) continue;
    const int64_t length = found->second * bits / 8;
    text += fmt::format(
        "  .balign 8\n  .globl network_values_{0}\nnetwork_values_{0}:\n"
        "  .incbin \"network.weights\", {1}, {2}\n",
        bits, offset, length);
    offset += length;
  }
  return text + "  .section .note.GNU-stack,\"\",%progbits\n";
}

int64_t CConstants::bytes() const {
  int64_t bytes = 0;
  for (const auto& [bits, values] : values_) bytes += values * bits / 8;
  return bytes;
}

}  // namespace normgraft
