#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "normgraft/core/files.h"

namespace normgraft {

/// A tensor of a safetensors file, as its header describes it.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  ///< "BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "BF16", "F32" or "F64"
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  ///< its bytes, counted from the first one behind the header
};

/// A safetensors file whose header is read and checked; its tensors are read one after the other.
class SafetensorsReader {
 public:
  /// Throws InputError naming the file, the tensor and the fault: truncated file, header longer than the
  /// file, header that is not the expected JSON, duplicate names, unknown dtype, shape that disagrees with
  /// the byte count, offsets out of range, overlapping or leaving gaps. Data may be unaligned: the format
  /// does not ask for alignment.
  explicit SafetensorsReader(Path path);

  /// In the order of their bytes. The sizes of a shape are not negative.
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }

  /// Reads the bytes of a tensor, little-endian, row-major. Throws InputError where the file cannot be read.
  void read(const SafetensorsEntry& entry, void* to);

  /// Throws an InputError that names the file and the tensor.
  [[noreturn]] void fail(const SafetensorsEntry& entry, const std::string& fault) const;

 private:
  std::string read_header();
  void read_bytes(void* to, uint64_t bytes);

  Path path_;
  std::ifstream in_;
  uint64_t size_ = 0;
  uint64_t data_begin_ = 0;
  std::vector<SafetensorsEntry> entries_;
};

/// A tensor to be written; `bytes` are what its dtype and shape need.
struct SafetensorsTensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};

/// Writes tensors atomically in the order given, header padded to 8 bytes.
void write_raw_safetensors(const Path& path, const std::vector<SafetensorsTensor>& tensors);

}  // namespace normgraft
