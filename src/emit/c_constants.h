#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "c_names.h"
#include "normgraft/emit/c_exporter.h"

namespace normgraft {

/// The tensors of a program that the C reads, as arrays or as one file.
class CConstants {
 public:
  CConstants(const IntegerProgram& program, CWeights weights) : program_(program), weights_(weights) {}

  /// The C expression for the first value of a tensor; the tensor is among the constants from then on.
  std::string pointer(const std::string& tensor);

  /// The same for each of these, in their order, with commas between.
  std::string pointers(std::initializer_list<std::string> tensors);

  /// Their definitions or declarations, for network.c.
  std::string declarations() const;
  /// network.weights: the values of 32 bits, then of 16, then of 8, little-endian.
  std::string binary() const;
  /// network_weights.S, which takes that file into a program.
  std::string assembly() const;

  int64_t bytes() const;

 private:
  const IntegerProgram& program_;
  CWeights weights_;
  std::map<std::string, std::string> pointers_;               ///< by tensor
  std::map<int, std::vector<const IntegerTensor*>> tensors_;  ///< by bits, in the order of their values
  std::map<int, int64_t> values_;                             ///< by bits, so far
  std::string arrays_;
  CNames names_;
};

}  // namespace normgraft
