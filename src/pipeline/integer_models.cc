#include "integer_models.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>

#include "normgraft/integer/engine.h"
#include "normgraft/network/batches.h"

namespace normgraft {
namespace {

constexpr double kLevels = 255;
constexpr int64_t kMiddle = 128;

const IntegerBuffer& logits_buffer(const IntegerProgram& program) {
  return program.buffers[static_cast<size_t>(program.logits)];
}

int64_t bytes_of(const IntegerProgram& program) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : program.tensors) bytes += tensor.size() * tensor.bits / 8;
  return bytes;
}

Json described(const IntegerBuffer& buffer) {
  Json json{{"rows", buffer.rows},
            {"width", buffer.width},
            {"bits", buffer.bits},
            {"step", buffer.step},
            {"zero", buffer.zero}};
  if (buffer.told_step > 0)
    json.update(Json{{"told_step", buffer.told_step}, {"told_zero", buffer.told_zero}});
  return json;
}

}  // namespace

Tensor picture_codes(const Tensor& images, const Preprocessing& preprocessing) {
  const Tensor levels =
      (images.to(at::kDouble) * by_colour(preprocessing.std) + by_colour(preprocessing.mean)) * kLevels;
  return (levels.round().clamp(0, kLevels) - kMiddle).to(at::kChar).contiguous();
}

JudgedModel judged_program(const IntegerProgram& program) {
  const auto engine = std::make_shared<const IntegerEngine>(program);
  const double step = logits_buffer(program).step;
  const int64_t classes = logits_buffer(program).width;
  return {classes,
          program.preprocessing,
          [engine, step, classes, p = program.preprocessing](const Tensor& images) {
            const Tensor codes = picture_codes(images, p);
            const std::vector<int32_t> logits = engine->run(
                {codes.data_ptr<int8_t>(), static_cast<size_t>(codes.numel())}, at::get_num_threads());
            return (at::tensor(at::ArrayRef<int32_t>(logits), at::kDouble) * step)
                .view({-1, classes})
                .to(at::kFloat);
          },
          {}};
}

Classifier classifier_of(const IntegerProgram& program) {
  return {program.architecture, logits_buffer(program).width, program.class_names, program.preprocessing};
}

Json describe_program(const IntegerProgram& program) {
  const Preprocessing& p = program.preprocessing;
  Json buffers = Json::object(), bounds = Json::object();
  int64_t activations = 0;
  for (const IntegerBuffer& buffer : program.buffers) {
    buffers[buffer.name] = described(buffer);
    activations += buffer.rows * buffer.width * buffer.bits / 8;
  }
  for (const AccumulatorBound& bound : prove_no_overflow(program)) {
    Json& most = bounds[bound.place];
    most = std::max(most.is_null() ? int64_t{0} : most.get<int64_t>(), bound.largest);
  }
  return Json{{"architecture", program.architecture},
              {"integer", true},
              {"classes", logits_buffer(program).width},
              {"steps", program.steps.size()},
              {"sites", program.sites},
              {"bytes_of_tensors", bytes_of(program)},
              {"bytes_of_buffers", activations},
              {"buffers", buffers},
              {"largest_sums", bounds},
              {"origin", program.origin},
              {"preprocessing",
               {{"input_size", {3, p.height, p.width}},
                {"crop_pct", p.crop_pct},
                {"crop_mode", p.crop_mode},
                {"interpolation", p.interpolation == Interpolation::kBicubic ? "bicubic" : "bilinear"}}}};
}

}  // namespace normgraft
