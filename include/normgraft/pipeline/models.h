#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/cost/network.h"
#include "normgraft/cost/roofline.h"
#include "normgraft/cost/site_cost.h"
#include "normgraft/emit/c_exporter.h"
#include "normgraft/emit/onnx_graph.h"
#include "normgraft/emit/verilog_exporter.h"
#include "normgraft/eval/evaluate.h"
#include "normgraft/integer/operations.h"
#include "normgraft/models/options.h"
#include "normgraft/quantize/precision.h"

namespace normgraft {

/// What can be asked of one model folder, grafted or not, without a run.

/// Architecture, parameters, sites and what the stream carries at each, preprocessing, functions.
Json describe_model(const Path& model, const ModelOptions& options, Monitor& monitor);

struct EvalRequest {
  Path model;
  Path data;                    ///< ImageFolder tree with labels
  std::optional<Path> classes;  ///< class list for a tree of some classes only
  std::optional<Path> teacher;
  int64_t pictures = 0;  ///< 0: all
  int64_t batch = 32;
  ModelOptions model_options;
  std::vector<Condition> conditions = {};  ///< judged under these too
  /// That the model computes in; the teacher computes in F32. Integers are those of quantize() where it takes
  /// the network and there are kFewestPictures pictures; else F32 is rounded like them (use_arithmetic).
  Precision format = {};
  /// Of integers: a picture folder, or a run folder for its pictures to fit to, which choose the steps.
  /// Nothing: the run that the model's folder lies in, or else drawn pictures (procedural.h).
  std::optional<Path> calibration = {};
  /// Functions as the units of export_as_verilog() of this precision compute them, in whole numbers; all else
  /// in F32.
  std::optional<UnitPrecision> units = {};
};
Evaluation eval_model(const EvalRequest& request, Monitor& monitor);

struct QuantizeRequest {
  Path model;
  Path data;  ///< picture folder, or a run for its pictures to fit to; labels are not used
  Path output;
  int64_t pictures = 64;  ///< at most
  Precision format = {.kind = NumberKind::kW8A8};
  ModelOptions model_options;
};
/// Writes an integer folder (quantize). Throws InputError, and then has written nothing, for what is not
/// supported.
void quantize_model(const QuantizeRequest& request, Monitor& monitor);

/// Whether a model is a network of integers, which quantize_model() writes.
bool is_integer_model(const Path& model);

/// What a network of integers computes and moves for one picture. Throws InputError for another model.
ProgramOperations operations_of_model(const Path& model);

/// What the norm sites of a model of floats cost for one picture. Throws InputError for a network of
/// integers.
struct ModelCost {
  NormCost layernorm, graft;
  double telling_ops = 0;  ///< beside those of the sites: of what tells r (telling_ops)
  std::string profile, unit;
  size_t sites = 0, replaced = 0;
  std::optional<AcceleratorCost> on_accelerator = {};
};
/// `accelerator`: what load_accelerator() takes; nothing: on_accelerator is left out.
ModelCost cost_of_model(const Path& model, const std::string& profile,
                        const std::optional<std::string>& accelerator, const ModelOptions& options,
                        Monitor& monitor);

/// Writes a grafted model for a target (exporter()) into a folder, beside the model folder's own files.
/// Throws InputError for a model without functions, and for a network of integers.
void export_model(const Path& model, const std::string& target, const Path& folder,
                  const ModelOptions& options, Monitor& monitor);

struct OnnxRequest {
  Path model;
  Path output;  ///< folder, in which model.onnx is written
  OnnxOptions options;
  bool quantized = false;         ///< whether the model is a network of integers
  bool gelu_by_tanh = false;      ///< with_gelu_by_tanh(), and what that changes is measured
  std::optional<Path> data = {};  ///< to measure by, as of EvalRequest::calibration
  ModelOptions model_options = {};
};
/// What another form of GELU changes of a network's answers, over pictures.
struct GeluLoss {
  int64_t pictures = 0;
  double error = 0;                      ///< of the outputs, relative, in the root of their squares
  std::optional<double> agreement = {};  ///< share of pictures with the same class; nothing without classes
};
struct OnnxOutcome {
  OnnxExport written;
  std::optional<GeluLoss> gelu = {};
};
/// Writes a model, grafted or not, or a network of integers as ONNX. Throws InputError, and then has written
/// nothing, for a model of the other kind and for what is not supported.
OnnxOutcome export_as_onnx(const OnnxRequest& request, Monitor& monitor);

/// Writes a network of integers (integer/program_folder.h) as C (write_c). Throws InputError for another
/// model.
CExport export_as_c(const Path& model, CWeights weights, const Path& folder);

/// Writes the norm sites and activations of a network of integers, or the functions of a graft as circuits
/// of that precision, as Verilog (write_verilog). Throws InputError for another model,
/// and naming the site for a function that cannot be made a circuit.
std::vector<VerilogUnit> export_as_verilog(const Path& model, const UnitPrecision& precision,
                                           const Path& folder, const ModelOptions& options, Monitor& monitor);

}  // namespace normgraft
