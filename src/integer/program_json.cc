#include "program_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <set>

#include "normgraft/core/json_place.h"
#include "normgraft/core/names.h"
#include "step_fields.h"
#include "sums.h"

namespace normgraft {
namespace {

constexpr int kVersion = 2;  ///< the newest; 1 where no ScaleStep cuts
constexpr int64_t kMost32 = std::numeric_limits<int32_t>::max();
constexpr int64_t kMost64 = std::numeric_limits<int64_t>::max();
constexpr std::array<Named<Interpolation>, 2> kInterpolations = {
    {{"bilinear", Interpolation::kBilinear}, {"bicubic", Interpolation::kBicubic}}};

/// Writes the fields of a step.
class FieldWriter {
 public:
  FieldWriter(const IntegerProgram& program, int version, Json& to)
      : program_(program), version_(version), to_(to) {}

  int version() const { return version_; }
  void buffer(const char* key, BufferIndex value) {
    to_[key] = program_.buffers[static_cast<size_t>(value)].name;
  }
  template <typename Number>
  void number(const char* key, Number value) {
    to_[key] = value;
  }
  void text(const char* key, const std::string& value) { to_[key] = value; }
  void flag(const char* key, bool value) { to_[key] = value; }
  void curve(const char* key, const Curve& value) {
    to_[key] = {
        {"knots", value.knots}, {"low", value.low}, {"shift", value.shift}, {"fraction", value.fraction}};
  }
  void rescale(const char* key, const Rescale& value) {
    to_[key] = {{"multiplier", value.multiplier}, {"shift", value.shift}};
  }

 private:
  const IntegerProgram& program_;
  int version_;
  Json& to_;
};

/// Reads the fields of an object and knows which of them it was asked for.
class FieldReader {
 public:
  FieldReader(const IntegerProgram& program, int version, JsonPlace from)
      : program_(program), version_(version), from_(std::move(from)) {}

  int version() const { return version_; }
  JsonPlace field(const std::string& key) {
    asked_.insert(key);
    return from_[key];
  }

  /// Throws where there is another field: it would mean something that is not done.
  void finish() const {
    for (const auto& [key, value] : from_.members()) {
      if (!asked_.contains(key)) {
        from_.fail(fmt::format("{} is no field of version {}, expected {}", in_quotes(key), version_,
                               fmt::join(asked_, ", ")));
      }
    }
  }

  void buffer(const char* key, BufferIndex& value) {
    const JsonPlace place = field(key);
    const std::string name = place.text();
    const auto found = std::find_if(program_.buffers.begin(), program_.buffers.end(),
                                    [&](const IntegerBuffer& each) { return each.name == name; });
    if (found == program_.buffers.end()) {
      place.fail(fmt::format("there is no buffer {}, expected the name of one", in_quotes(name)));
    }
    value = static_cast<BufferIndex>(found - program_.buffers.begin());
  }
  void number(const char* key, int32_t& value) {
    value = static_cast<int32_t>(field(key).integer(-kMost32 - 1, kMost32));
  }
  void number(const char* key, int64_t& value) { value = field(key).integer(-kMost64 - 1, kMost64); }
  void number(const char* key, double& value) { value = field(key).number(); }
  void text(const char* key, std::string& value) { value = field(key).text(); }
  void flag(const char* key, bool& value) { value = field(key).boolean(); }
  void curve(const char* key, Curve& value) {
    FieldReader inner(program_, version_, field(key));
    inner.text("knots", value.knots);
    inner.number("low", value.low);
    inner.number("shift", value.shift);
    inner.number("fraction", value.fraction);
    inner.finish();
  }
  void rescale(const char* key, Rescale& value) {
    FieldReader inner(program_, version_, field(key));
    inner.number("multiplier", value.multiplier);
    inner.number("shift", value.shift);
    inner.finish();
  }
  void texts(const char* key, std::vector<std::string>& values) {
    for (const JsonPlace& each : field(key).elements()) values.push_back(each.text());
  }

 private:
  const IntegerProgram& program_;
  int version_;
  JsonPlace from_;
  std::set<std::string> asked_;
};

int version_of(const IntegerProgram& program) {
  const bool cuts = std::any_of(program.steps.begin(), program.steps.end(), [](const PlacedStep& placed) {
    const auto* scale = std::get_if<ScaleStep>(&placed.step);
    return scale != nullptr && scale->cuts();
  });
  return cuts ? 2 : 1;
}

void visit_fields(IntegerBuffer& buffer, auto& fields) {
  fields.text("name", buffer.name);
  fields.number("rows", buffer.rows);
  fields.number("width", buffer.width);
  fields.number("bits", buffer.bits);
  fields.number("step", buffer.step);
  fields.number("zero", buffer.zero);
  fields.number("told_step", buffer.told_step);
  fields.number("told_zero", buffer.told_zero);
}

Json preprocessing_json(const Preprocessing& p) {
  return {{"height", p.height},
          {"width", p.width},
          {"crop_pct", p.crop_pct},
          {"crop_mode", p.crop_mode},
          {"interpolation", name_of<Interpolation>(kInterpolations, p.interpolation)}};
}

void read_preprocessing(FieldReader fields, Preprocessing& p) {
  fields.number("height", p.height);
  fields.number("width", p.width);
  fields.number("crop_pct", p.crop_pct);
  fields.text("crop_mode", p.crop_mode);
  const JsonPlace interpolation = fields.field("interpolation");
  try {
    p.interpolation = value_named<Interpolation>(kInterpolations, "interpolation", interpolation.text());
  } catch (const InputError& error) {
    interpolation.fail(error.what());
  }
  fields.finish();
}

/// A step of that kind, nothing of it given.
template <size_t kIndex = 0>
IntegerStep step_of_kind(const JsonPlace& place) {
  if constexpr (kIndex == kStepKinds.size()) {
    place.fail(fmt::format("unknown kind {}, expected one of {}", in_quotes(place.text()),
                           fmt::join(kStepKinds, ", ")));
  } else {
    if (place.text() == kStepKinds[kIndex]) return std::variant_alternative_t<kIndex, IntegerStep>{};
    return step_of_kind<kIndex + 1>(place);
  }
}

PlacedStep read_step(FieldReader fields) {
  PlacedStep placed{{}, step_of_kind(fields.field("kind"))};
  fields.text("place", placed.place);
  std::visit([&](auto& step) { visit_fields(step, fields); }, placed.step);
  fields.finish();
  return placed;
}

}  // namespace

Json program_json(const IntegerProgram& program, const std::string& checksum) {
  const int version = version_of(program);
  Json buffers = Json::array(), steps = Json::array();
  for (IntegerBuffer buffer : program.buffers) {
    FieldWriter writer(program, version, buffers.emplace_back(Json::object()));
    visit_fields(buffer, writer);
  }
  for (PlacedStep placed : program.steps) {
    Json& step = steps.emplace_back(Json{{"kind", kStepKinds[placed.step.index()]}, {"place", placed.place}});
    FieldWriter writer(program, version, step);
    std::visit([&](auto& each) { visit_fields(each, writer); }, placed.step);
  }
  return {{"format", kIntegerFormat},
          {"version", version},
          {"architecture", program.architecture},
          {"class_names", program.class_names},
          {"preprocessing", preprocessing_json(program.preprocessing)},
          {"checksum", checksum},
          {"buffers", buffers},
          {"steps", steps},
          {"logits", program.buffers[static_cast<size_t>(program.logits)].name},
          {"sites", program.sites},
          {"origin", program.origin}};
}

ProgramAndChecksum program_from(const Json& config, const std::string& file) {
  ProgramAndChecksum read;
  IntegerProgram& program = read.program;
  const JsonPlace place(config, file);
  FieldReader fields(program, 1, place);
  if (fields.field("format").text() != kIntegerFormat) {
    place["format"].fail(
        fmt::format("it is {}, expected \"{}\"", in_quotes(place["format"].text()), kIntegerFormat));
  }
  fields.field("version");
  const int version = place.check_version(kVersion);
  fields.text("architecture", program.architecture);
  fields.texts("class_names", program.class_names);
  read_preprocessing({program, version, fields.field("preprocessing")}, program.preprocessing);
  fields.text("checksum", read.checksum);
  for (const JsonPlace& each : fields.field("buffers").elements()) {
    FieldReader inner(program, version, each);
    IntegerBuffer buffer;
    visit_fields(buffer, inner);
    inner.finish();
    program.buffers.push_back(buffer);
  }
  for (const JsonPlace& each : fields.field("steps").elements()) {
    program.steps.push_back(read_step({program, version, each}));
  }
  fields.buffer("logits", program.logits);
  fields.texts("sites", program.sites);
  fields.field("origin").members();
  program.origin = config["origin"];
  fields.finish();
  return read;
}

}  // namespace normgraft
