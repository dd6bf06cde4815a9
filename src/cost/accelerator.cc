#include "normgraft/cost/accelerator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "normgraft/core/json_place.h"
#include "normgraft/core/names.h"

namespace normgraft {
namespace {

constexpr std::array<Named<ElementKind>, 3> kElementKinds = {
    {{"int8", ElementKind::kInt8}, {"float16", ElementKind::kFloat16}, {"float32", ElementKind::kFloat32}}};

constexpr int64_t kMostLanes = 65536, kMostBufferBits = int64_t{1} << 50;
constexpr double kHighestRate = 1e18;

const std::array<Named<Accelerator>, 3>& built_in() {
  static const std::array<Named<Accelerator>, 3> kAccelerators = {{{"small-fpga",
                                                                    {.name = "small-fpga",
                                                                     .elements = ElementKind::kInt8,
                                                                     .stream_bits = 16,
                                                                     .clock_hz = 1e8,
                                                                     .lanes = 1,
                                                                     .vector_operations_per_second = 7e8,
                                                                     .matrix_operations_per_second = 4.4e10,
                                                                     .offchip_bytes_per_second = 4.264e9,
                                                                     .buffer_bits = 5160960}},
                                                                   {"microcontroller",
                                                                    {.name = "microcontroller",
                                                                     .elements = ElementKind::kInt8,
                                                                     .stream_bits = 16,
                                                                     .clock_hz = 4.8e8,
                                                                     .lanes = 1,
                                                                     .vector_operations_per_second = 4.8e8,
                                                                     .matrix_operations_per_second = 1.92e9,
                                                                     .offchip_bytes_per_second = 4e8,
                                                                     .buffer_bits = 1048576}},
                                                                   {"npu",
                                                                    {.name = "npu",
                                                                     .elements = ElementKind::kInt8,
                                                                     .stream_bits = 16,
                                                                     .clock_hz = 1e9,
                                                                     .lanes = 2,
                                                                     .vector_operations_per_second = 2e9,
                                                                     .matrix_operations_per_second = 5.12e11,
                                                                     .offchip_bytes_per_second = 3.75e9,
                                                                     .buffer_bits = 3145728}}}};
  return kAccelerators;
}

double rate(const JsonPlace& place) {
  const double value = place.number();
  if (!(value > 0 && value <= kHighestRate)) place.fail("expected a number above 0 and up to 1e18");
  return value;
}

ElementKind element_kind(const JsonPlace& place) {
  const std::string name = place.text();
  const auto found = std::find_if(kElementKinds.begin(), kElementKinds.end(),
                                  [&](const Named<ElementKind>& kind) { return kind.name == name; });
  if (found == kElementKinds.end()) {
    place.fail(fmt::format("\"{}\", expected {}", name, list_names<ElementKind>(kElementKinds)));
  }
  return found->value;
}

int64_t stream_bits(const JsonPlace& place, int64_t element_bits) {
  const int64_t bits = place.integer(1, INT64_MAX);
  if ((bits != 8 && bits != 16 && bits != 32) || bits < element_bits) {
    place.fail(
        fmt::format("{}, expected 8, 16 or 32, and at least the {} bits of an element", bits, element_bits));
  }
  return bits;
}

Accelerator accelerator_from(const JsonPlace& json) {
  const Json known = to_json(Accelerator{});
  for (const auto& [field, value] : json.members()) {
    if (known.contains(field)) continue;
    std::string names;
    for (const auto& [name, any] : known.items()) names += (names.empty() ? "" : ", ") + name;
    value.fail("unknown field, expected " + names);
  }
  Accelerator a;
  a.name = json["name"].text();
  if (a.name.empty()) json["name"].fail("expected a text that is not empty");
  a.elements = element_kind(json["elements"]);
  a.stream_bits = stream_bits(json["stream_bits"], a.element_bits());
  a.clock_hz = rate(json["clock_hz"]);
  a.lanes = json["lanes"].integer(1, kMostLanes);
  a.vector_operations_per_second = rate(json["vector_operations_per_second"]);
  a.matrix_operations_per_second = rate(json["matrix_operations_per_second"]);
  a.offchip_bytes_per_second = rate(json["offchip_bytes_per_second"]);
  a.buffer_bits = json["buffer_bits"].integer(0, kMostBufferBits);
  return a;
}

}  // namespace

std::string to_string(ElementKind kind) {
  return name_of<ElementKind>(kElementKinds, kind);
}

int64_t Accelerator::element_bits() const {
  switch (elements) {
    case ElementKind::kInt8:
      return 8;
    case ElementKind::kFloat16:
      return 16;
    case ElementKind::kFloat32:
      break;
  }
  return 32;
}

Accelerator load_accelerator(const std::string& name_or_path) {
  for (const Named<Accelerator>& each : built_in()) {
    if (each.name == name_or_path) return each.value;
  }
  std::error_code error;
  if (!std::filesystem::exists(name_or_path, error)) {
    throw InputError(
        fmt::format("unknown accelerator \"{}\", expected {}, or a JSON file (docs/accelerator.md)",
                    name_or_path, list_names<Accelerator>(built_in())));
  }
  const Json json = read_json(name_or_path, "accelerator");
  return accelerator_from(JsonPlace(json, "accelerator " + name_or_path));
}

Json to_json(const Accelerator& a) {
  return Json{{"name", a.name},
              {"elements", to_string(a.elements)},
              {"stream_bits", a.stream_bits},
              {"clock_hz", a.clock_hz},
              {"lanes", a.lanes},
              {"vector_operations_per_second", a.vector_operations_per_second},
              {"matrix_operations_per_second", a.matrix_operations_per_second},
              {"offchip_bytes_per_second", a.offchip_bytes_per_second},
              {"buffer_bits", a.buffer_bits}};
}

}  // namespace normgraft
