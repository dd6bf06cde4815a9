#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "normgraft/core/carried.h"
#include "normgraft/core/files.h"
#include "normgraft/expr/expression.h"

namespace normgraft {

/// How the exported code represents numbers. Fixed-point formats, with their widths, belong here.
struct NumberFormat {
  enum class Kind : uint8_t {
    kFloat32,  ///< IEEE 754 single precision
  };
  Kind kind = Kind::kFloat32;
};

/// A tensor, contiguous in row-major order, whose values stay the caller's.
struct ExportTensor {
  std::vector<int64_t> shape;
  std::span<const float> values;  ///< as many as the product of `shape`
};

/// Tensors by timm name, "blocks.3.norm2.weight".
using ExportTensors = std::map<std::string, ExportTensor>;

/// What every exporter gets. It refers to what the caller keeps.
struct ExportInput {
  const std::map<std::string, Expression>& functions;  ///< by norm site, "blocks.3.norm2"; at least one
  NumberFormat format;
  const ExportTensors& tensors;  ///< of the whole network; each site of a function has SITE.weight (gamma)
                                 ///< and SITE.bias (beta), both of shape [D]
  std::map<std::string, Carried> carried = {};  ///< by norm site, with or without a function; a site that is
                                                ///< not named carries nothing
  std::set<std::string> widened = {};  ///< Linears that are larger than the architecture says, by hidden
                                       ///< units of r; each has NAME.weight [out, in] among the tensors
};

/// Writes the functions of a graft for one target.
class Exporter {
 public:
  Exporter() = default;
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;
  virtual ~Exporter() = default;

  /// The word that selects it: "torch".
  virtual std::string_view name() const = 0;
  /// What it writes, in a few words.
  virtual std::string_view description() const = 0;

  /// Writes its files into `folder`, each atomically. Throws InputError, before anything is written, when
  /// there is no function, when a tensor that ExportInput promises is missing or of another shape, when a
  /// function reads r where no channel tells it within a finite range, and for what this target cannot write:
  /// a number format, or a norm that stays where a channel tells r.
  void write(const ExportInput& input, const Path& folder) const;

 private:
  virtual void write_files(const ExportInput& input, const Path& folder) const = 0;
};

/// All exporters.
std::span<const Exporter* const> exporters();

/// The exporter of that name. Throws InputError naming those that exist.
const Exporter& exporter(std::string_view name);

}  // namespace normgraft
