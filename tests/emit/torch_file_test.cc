#include "normgraft/emit/torch_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "normgraft/core/files.h"
#include "normgraft/core/random.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::TemporaryFolder;

const char* const kExpressions[] = {
    "x",
    "3",
    "2*x-0.5",
    "0.48*clip(2*x+0.17, -5, 5)",
    "x/(1.5+0.4*abs(x))",
    "1.1*x*rsqrt(square(x)+0.9)",
    "erf(0.5*x)+min(x, 1.2)-max(0.3*x, -1)",
    "exp(-square(x))+sqrt(abs(x)+0.5)",
    "-sigmoid(x)*tanh(x)",
};

TEST(TorchFile, EveryExpressionGivesTheInterpretersValuesInPyTorch) {
  const TemporaryFolder folder;
  std::map<std::string, Expression> functions;
  for (const char* text : kExpressions) {
    functions.emplace(fmt::format("site.{}", functions.size()), Expression::parse(text));
  }
  write_atomically(folder / "graft.py", torch_source(functions));
  write_atomically(folder / "check.py",
                   "import torch, graft\n"
                   "x = torch.linspace(-6, 6, 101)\n"
                   "for site, f in graft.FUNCTIONS.items():\n"
                   "    print(site, *[repr(v) for v in f(x).tolist()])\n");
  const std::string command =
      fmt::format("cd {} && /usr/bin/python3 check.py > out.txt 2> err.txt", folder.path().string());
  ASSERT_EQ(std::system(command.c_str()), 0) << read_file(folder / "err.txt", "errors");
  std::ifstream out(folder / "out.txt");
  size_t lines = 0;
  for (std::string line; std::getline(out, line); ++lines) {
    std::istringstream words(line);
    std::string site;
    words >> site;
    const Expression& f = functions.at(site);
    for (int i = 0; i <= 100; ++i) {
      double value = 0;
      words >> value;
      const double x = -6 + 0.12 * i;
      EXPECT_NEAR(value, f(x), 2e-5 * (1 + std::abs(f(x)))) << f.to_string() << " at " << x;
    }
  }
  EXPECT_EQ(lines, functions.size());
}

TEST(TorchFile, SpellsEveryPrimitive) {
  for (const Primitive& p : primitives()) EXPECT_FALSE(p.torch.empty()) << p.name;
}

}  // namespace
}  // namespace normgraft
