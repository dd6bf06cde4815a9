#include <ATen/ATen.h>
#include <fmt/format.h>

#include "normgraft/core/error.h"
#include "normgraft/emit/onnx_program.h"
#include "normgraft/graft/graft.h"
#include "normgraft/integer/program_folder.h"
#include "normgraft/network/batches.h"
#include "normgraft/onnx/vit_graph.h"
#include "normgraft/pipeline/models.h"
#include "steps_pictures.h"

namespace normgraft {
namespace {

void check_kind(const OnnxRequest& request, bool integers) {
  const auto refuse = [&](const char* option, const char* fault) {
    throw InputError(fmt::format("export --to onnx{}: {} {}", option, request.model.string(), fault));
  };
  if (integers && !request.quantized) refuse("", "is a network of integers, expected --quantized with it");
  if (!integers && request.quantized)
    refuse(" --quantized", "is no network of integers, expected what quantize writes");
  if (integers && request.gelu_by_tanh)
    refuse(" --gelu tanh", "is a network of integers, whose activations are made, expected none");
}

GeluLoss loss_of(const Graft& graft, const Graft& changed, const OnnxRequest& request, Monitor& monitor) {
  const at::NoGradGuard no_grad;
  const Tensor images = steps_images(request.model, request.data, graft.network().preprocessing(), monitor);
  const auto outputs = [&](const Graft& of) {
    return over_pictures(images, [&](const Tensor& some) { return of.forward(some); });
  };
  const Tensor before = outputs(graft), after = outputs(changed);
  GeluLoss loss{images.size(0), ((after - before).norm() / before.norm()).item<double>()};
  if (graft.network().classes() > 1)
    loss.agreement = after.argmax(1).eq(before.argmax(1)).to(at::kDouble).mean().item<double>();
  return loss;
}

}  // namespace

OnnxOutcome export_as_onnx(const OnnxRequest& request, Monitor& monitor) {
  const bool integers = is_integer_folder(request.model);
  check_kind(request, integers);
  const Path file = request.output / "model.onnx";
  const std::string source = std::filesystem::absolute(request.model / "x").parent_path().filename().string();
  if (integers) return {write_onnx(read_integer_folder(request.model), request.options, source, file)};
  const Graft graft = load_graft(request.model, request.model_options, monitor);
  if (!request.gelu_by_tanh) return {write_onnx(graft, request.options, source, file)};
  const Graft changed = with_gelu_by_tanh(graft);
  const GeluLoss loss = loss_of(graft, changed, request, monitor);
  return {write_onnx(changed, request.options, source, file), loss};
}

}  // namespace normgraft
