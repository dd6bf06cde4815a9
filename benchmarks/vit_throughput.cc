#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "normgraft/models/model_folder.h"
#include "normgraft/network/threads.h"

// vit_throughput MODEL [THREADS] [BATCH] [REPEATS]: the median of pictures a second, as JSON.
int main(int argc, char** argv) {
  using namespace normgraft;
  if (argc < 2) return 2;
  const auto argument = [&](int index, int fallback) {
    return index < argc ? std::atoi(argv[index]) : fallback;
  };
  set_network_threads(argument(2, 2));
  const int64_t batch = argument(3, 32);
  const Network vit = load_model(argv[1], {}, silent_monitor());

  at::NoGradGuard no_grad;
  at::manual_seed(0);
  const at::Tensor images = at::randn({batch, 3, vit.preprocessing().height, vit.preprocessing().width});
  vit.forward(images);
  std::vector<double> rates;
  for (int i = 0; i < argument(4, 3); ++i) {
    const auto start = std::chrono::steady_clock::now();
    vit.forward(images);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    rates.push_back(static_cast<double>(batch) / seconds.count());
  }
  std::nth_element(rates.begin(), rates.begin() + rates.size() / 2, rates.end());
  fmt::print("{{\"images_per_second\": {}}}\n", rates[rates.size() / 2]);
}
