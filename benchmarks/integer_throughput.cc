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

using namespace normgraft;

/// A random one as large as DeiT-Tiny, in 8 bits with a stream of 16 and x g(r) at its sites.
IntegerProgram random_graft(Random& random) {
  testing::IntegerShape shape = testing::shape_of_deit_tiny();
  shape.site = 0;
  shape.bits = 8;
  return testing::random_integer_program(shape, random);
}

/// The same with LayerNorms at its sites.
IntegerProgram with_norms(IntegerProgram program) {
  for (PlacedStep& placed : program.steps) {
    const auto* scale = std::get_if<ScaleStep>(&placed.step);
    if (scale == nullptr) continue;
    program.tensors.erase(scale->g.knots);
    placed.step =
        NormStep{.from = scale->from, .to = scale->to, .rescale = {1 << 30, 45}, .rows = scale->rows};
  }
  return program;
}

/// The program that the command line names.
IntegerProgram program_of(const std::string& name, Random& random) {
  if (name == "graft") return random_graft(random);
  if (name == "norms") return with_norms(random_graft(random));
  return read_integer_folder(name);
}

}  // namespace

// integer_throughput FOLDER|graft|norms [THREADS] [BATCH] [REPEATS]: the median of pictures a second, as
// JSON, of an integer folder or of a random program with grafts or LayerNorms.
int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const auto argument = [&](int index, int fallback) {
    return index < argc ? std::atoi(argv[index]) : fallback;
  };
  const int threads = argument(2, 2), batch = argument(3, 32);
  Random random({0});
  const IntegerProgram program = program_of(argv[1], random);
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
