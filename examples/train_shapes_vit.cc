// Trains the small Vision Transformer that ships in examples/shapes_vit, from scratch, on pictures drawn on
// the way (normgraft/data/procedural.h), so that no picture is seen twice.
//
//     train_shapes_vit OUTPUT_FOLDER [STEPS]
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <numbers>

#include "normgraft/core/random.h"
#include "normgraft/data/procedural.h"
#include "normgraft/models/model_folder.h"
#include "normgraft/models/vit.h"
#include "normgraft/network/threads.h"

namespace normgraft {
namespace {

constexpr int64_t kBatch = 96;
constexpr double kRate = 1.5e-3;
constexpr uint64_t kTrainSeed = 1, kTestSeed = 2;

VitConfig small_config() {
  VitConfig config;
  config.architecture = "shapes_vit_patch8_64";
  config.height = config.width = 64;
  config.patch_height = config.patch_width = 8;
  config.channels = 64;
  config.depth = 6;
  config.heads = 2;
  config.classes = kProceduralClasses;
  return config;
}

Preprocessing small_preprocessing() {
  Preprocessing preprocessing;
  preprocessing.height = preprocessing.width = 64;
  preprocessing.crop_pct = 1.0;
  preprocessing.mean = preprocessing.std = {0.5F, 0.5F, 0.5F};
  return preprocessing;
}

Tensors random_tensors(const VitConfig& c) {
  const auto normal = [](std::vector<int64_t> shape) { return torch::randn(shape).clamp(-2, 2) * 0.02; };
  const int64_t d = c.channels;
  const int64_t patches = (c.height / c.patch_height) * (c.width / c.patch_width);
  Tensors t;
  t["cls_token"] = normal({1, 1, d});
  t["pos_embed"] = normal({1, patches + 1, d});
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    t[name + ".weight"] = torch::randn({out, in}) * std::sqrt(1.0 / static_cast<double>(in)) * 0.7;
    t[name + ".bias"] = torch::zeros({out});
  };
  const auto norm = [&](const std::string& name) {
    t[name + ".weight"] = torch::ones({d});
    t[name + ".bias"] = torch::zeros({d});
  };
  linear("patch_embed.proj", d, 3 * c.patch_height * c.patch_width);
  t["patch_embed.proj.weight"] = t["patch_embed.proj.weight"].reshape({d, 3, c.patch_height, c.patch_width});
  for (int64_t i = 0; i < c.depth; ++i) {
    const std::string block = fmt::format("blocks.{}.", i);
    norm(block + "norm1");
    linear(block + "attn.qkv", 3 * d, d);
    linear(block + "attn.proj", d, d);
    norm(block + "norm2");
    linear(block + "mlp.fc1", 4 * d, d);
    linear(block + "mlp.fc2", d, 4 * d);
  }
  norm("norm");
  linear("head", c.classes, d);
  return t;
}

struct Examples {
  torch::Tensor images, labels;
};

Examples draw(int64_t first, int64_t count, uint64_t seed, const Preprocessing& preprocessing) {
  Examples examples{torch::empty({count, 3, 64, 64}), torch::empty({count}, torch::kInt64)};
  const int64_t size = 3 * 64 * 64;
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto label = static_cast<int>((first + i) % kProceduralClasses);
      normalize(draw_procedural(label, (first + i) / kProceduralClasses, seed), preprocessing,
                {examples.images.data_ptr<float>() + i * size, static_cast<size_t>(size)});
      examples.labels.data_ptr<int64_t>()[i] = label;
    }
  });
  return examples;
}

/// Share of the test pictures whose class the logits name.
template <typename Logits>
double accuracy(const Logits& logits) {
  torch::NoGradGuard no_grad;
  const int64_t count = 1200;
  const Examples examples = draw(0, count, kTestSeed, small_preprocessing());
  double right = 0;
  for (int64_t i = 0; i < count; i += kBatch) {
    const int64_t end = std::min(count, i + kBatch);
    right += logits(examples.images.slice(0, i, end))
                 .argmax(1)
                 .eq(examples.labels.slice(0, i, end))
                 .sum()
                 .template item<double>();
  }
  return right / static_cast<double>(count);
}

/// A linear classifier on pixels, trained on the same pictures: what the network has to beat.
class LinearClassifier {
 public:
  LinearClassifier() : optimizer_(linear_->parameters(), torch::optim::AdamWOptions(2e-4)) {}

  torch::Tensor operator()(const torch::Tensor& images) const {
    return linear_.ptr()->forward(images.flatten(1));
  }

  void step(const Examples& examples) {
    optimizer_.zero_grad();
    torch::cross_entropy_loss((*this)(examples.images), examples.labels).backward();
    optimizer_.step();
  }

 private:
  torch::nn::Linear linear_{3 * 64 * 64, kProceduralClasses};
  torch::optim::AdamW optimizer_;
};

double rate_at(int64_t step, int64_t steps) {
  const double warm = 0.05 * static_cast<double>(steps);
  const auto now = static_cast<double>(step);
  if (now < warm) return kRate * (now + 1) / warm;
  return kRate * 0.5 * (1 + std::cos(std::numbers::pi * (now - warm) / (static_cast<double>(steps) - warm)));
}

void train(const Path& folder, int64_t steps) {
  set_network_threads(0);
  torch::manual_seed(1);
  const VitConfig config = small_config();
  Network network = make_vit(config, small_preprocessing(), random_tensors(config));
  std::vector<torch::Tensor> parameters;
  for (auto& [name, tensor] : network.tensors()) parameters.push_back(tensor.set_requires_grad(true));
  torch::optim::AdamW optimizer(parameters, torch::optim::AdamWOptions(kRate).weight_decay(0.05));

  LinearClassifier linear;
  const auto start = std::chrono::steady_clock::now();
  for (int64_t step = 0; step < steps; ++step) {
    const Examples examples = draw(step * kBatch, kBatch, kTrainSeed, network.preprocessing());
    for (auto& group : optimizer.param_groups()) {
      static_cast<torch::optim::AdamWOptions&>(group.options()).lr(rate_at(step, steps));
    }
    optimizer.zero_grad();
    const torch::Tensor loss = torch::cross_entropy_loss(network.forward(examples.images), examples.labels);
    loss.backward();
    torch::nn::utils::clip_grad_norm_(parameters, 1.0);
    optimizer.step();
    linear.step(examples);
    if ((step + 1) % 100 == 0) {
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      fmt::print(stderr,
                 "step {} of {}: loss {:.4f}, test top-1 {:.4f}, a linear classifier's {:.4f}, {:.0f} s, "
                 "{:.0f} s left\n",
                 step + 1, steps, loss.item<double>(),
                 accuracy([&](const torch::Tensor& images) { return network.forward(images); }),
                 accuracy(linear), seconds,
                 seconds / static_cast<double>(step + 1) * static_cast<double>(steps - step - 1));
    }
  }
  save_model(folder, network);
}

}  // namespace
}  // namespace normgraft

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fmt::print(stderr, "usage: train_shapes_vit OUTPUT_FOLDER [STEPS]\n");
    return 2;
  }
  normgraft::train(argv[1], argc == 3 ? std::atoll(argv[2]) : 1500);
}
