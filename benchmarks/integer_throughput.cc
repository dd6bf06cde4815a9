#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "normgraft/integer/engine.h"
#include "normgraft/integer/program_folder.h"
#include "support/integer_programs.h"

namespace {

/// A random one as large as DeiT-Tiny, in 8 bits with a stream of 16, with x g(r) or LayerNorms at its sites.
normgraft::IntegerProgram random_program(bool norms, normgraft::Random& random) {
  normgraft::testing::IntegerShape shape = normgraft::testing::shape_of_deit_tiny();
  shape.site = norms ? 2 : 0;
  shape.bits = 8;
  return normgraft::testing::random_integer_program(shape, random);
}

}  // namespace

// integer_throughput FOLDER|graft|norms [THREADS] [BATCH] [REPEATS]: the median of pictures a second, as
// JSON, of an integer folder or of a random program with grafts or LayerNorms.
int main(int argc, char** argv) {
  using namespace normgraft;
  if (argc < 2) return 2;
  const auto argument = [&](int index, int fallback) {
    return index < argc ? std::atoi(argv[index]) : fallback;
  };
  const std::string name = argv[1];
  const int threads = argument(2, 2), batch = argument(3, 32);
  Random random({0});
  const bool is_random = name == "graft" || name == "norms";
  const IntegerProgram program =
      is_random ? random_program(name == "norms", random) : read_integer_folder(name);
  const IntegerEngine engine(program);
  std::vector<int8_t> pictures;
  for (int i = 0; i < batch; ++i) {
    const std::vector<int8_t> one = testing::random_codes(program, random);
    pictures.insert(pictures.end(), one.begin(), one.end());
  }
  engine.run(pictures, threads);
  std::vector<double> rates;
  for (int i = 0; i < argument(4, 5); ++i) {
    const auto start = std::chrono::steady_clock::now();
    engine.run(pictures, threads);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    rates.push_back(batch / seconds.count());
  }
  std::nth_element(rates.begin(), rates.begin() + rates.size() / 2, rates.end());
  fmt::print("{{\"images_per_second\": {}}}\n", rates[rates.size() / 2]);
}
