#pragma once

#include <string>

#include "normgraft/emit/onnx_graph.h"
#include "normgraft/integer/program.h"

namespace normgraft {

/// A network of integers as an ONNX file: pixels [B, 3, height, width], unsigned bytes, to logits [B,
/// classes]. Where the network keeps 8 bits, a QuantizeLinear and a DequantizeLinear of the same step and
/// zero stand; weights are signed bytes with a step for each output, biases 32 bits. ONNX has no 16 bits
/// before opset 21: what the network keeps in 16 bits is float between those pairs. A stream of 8 bits has
/// pairs at both sides of each addition.
///
/// Functions of norm sites are those that the program's origin names, activations those that its curves are;
/// the program's curves have to agree with them. The program is checked. Throws InputError, and then has
/// written nothing, for a program of another form than quantize() gives.
OnnxExport write_onnx(const IntegerProgram& program, const OnnxOptions& options, const std::string& source,
                      const Path& path);

}  // namespace normgraft
