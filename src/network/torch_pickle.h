#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace normgraft {

/// A tensor as the pickle of a state_dict describes it.
struct PickledTensor {
  std::string name;
  std::string storage;  ///< the file of its numbers, within data/
  std::string type;     ///< of the storage: "FloatStorage"
  int64_t offset = 0;   ///< of the first number, in numbers
  std::vector<int64_t> shape, strides;
};

/// The tensors of a pickle that torch.save wrote of a state_dict.
struct PickledState {
  std::vector<PickledTensor> tensors;
  std::string within;                 ///< the entry of the outer dictionary that holds them; empty: itself
  std::vector<std::string> left_out;  ///< what is no tensor
};

/// Reads a pickle as data: nothing is ever executed. Only the opcodes and the names of a state_dict are
/// known, bare or as the entry "state_dict", "model_state_dict" or "model" of a dictionary. Throws InputError
/// naming `place` and the opcode or the name that is not. Source: Python's pickletools, PyTorch's
/// torch/_utils.py.
PickledState read_state_pickle(std::string_view bytes, const std::string& place);

}  // namespace normgraft
