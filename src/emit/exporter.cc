#include "normgraft/emit/exporter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>

#include "normgraft/core/error.h"
#include "targets.h"

namespace normgraft {
namespace {

void check_size(const std::string& name, const ExportTensor& tensor) {
  int64_t size = 1;
  for (const int64_t extent : tensor.shape) size *= extent;
  if (size != std::ssize(tensor.values)) {
    throw InputError(fmt::format("export: tensor \"{}\" has {} values, expected {} for its shape [{}]", name,
                                 tensor.values.size(), size, fmt::join(tensor.shape, ", ")));
  }
}

const ExportTensor& vector_of_site(const ExportTensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw InputError(fmt::format("export: tensor \"{}\" is missing", name));
  if (found->second.shape.size() != 1) {
    throw InputError(fmt::format("export: tensor \"{}\" has shape [{}], expected one dimension", name,
                                 fmt::join(found->second.shape, ", ")));
  }
  return found->second;
}

void check_site(const ExportTensors& tensors, const std::string& site) {
  const ExportTensor& gamma = vector_of_site(tensors, site + ".weight");
  const ExportTensor& beta = vector_of_site(tensors, site + ".bias");
  if (beta.shape != gamma.shape) {
    throw InputError(fmt::format("export: tensor \"{}.bias\" has shape [{}], expected [{}] as gamma", site,
                                 beta.shape[0], gamma.shape[0]));
  }
}

void check_carried(const std::map<std::string, Carried>& carried, const std::string& site,
                   const Expression& f) {
  if (!f.reads(Op::kR)) return;
  const auto found = carried.find(site);
  if (found == carried.end() || !found->second.channel) {
    throw InputError(fmt::format(
        "export: the function of norm site \"{}\" reads r, expected a channel there that tells it", site));
  }
  const double low = found->second.low, high = found->second.high;
  if (std::isfinite(low) && std::isfinite(high) && low <= high) return;
  throw InputError(
      fmt::format("export: r of norm site \"{}\" is in [{}, {}], expected a finite range", site, low, high));
}

}  // namespace

void Exporter::write(const ExportInput& input, const Path& folder) const {
  if (input.functions.empty()) throw InputError("export: no functions, expected one or more");
  for (const auto& [tensor_name, tensor] : input.tensors) check_size(tensor_name, tensor);
  for (const auto& [site, f] : input.functions) {
    check_site(input.tensors, site);
    check_carried(input.carried, site, f);
  }
  write_files(input, folder);
}

std::span<const Exporter* const> exporters() {
  static const std::array kAll = {&torch_exporter()};
  return kAll;
}

const Exporter& exporter(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Exporter* each : exporters()) {
    if (each->name() == name) return *each;
    names.push_back(each->name());
  }
  throw InputError(
      fmt::format("unknown export target \"{}\", expected one of {}, onnx, or c for a network of integers",
                  name, fmt::join(names, ", ")));
}

}  // namespace normgraft
