#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "command_line.h"
#include "normgraft/core/files.h"
#include "normgraft/graft/graft.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::run_program;
using testing::TemporaryFolder;

TEST(Export, ToTorchGivesTheLogitsOfTheGraftInAnIndependentNetwork) {
  torch::NoGradGuard no_grad;
  const TemporaryFolder folder;
  save_vit(folder / "model", testing::small_vit());
  Graft graft(testing::small_vit());
  const char* const texts[] = {"clip(0.7*x+0.1, -1.5, 2)", "1.3*tanh(0.6*x)", "x/(1.2+0.3*abs(x))",
                               "erf(0.5*x)+0.1*x", "1.1*x*rsqrt(square(x)+0.9)"};
  for (size_t i = 0; i < graft.vit().sites().size(); ++i) {
    graft.set_function(graft.vit().sites()[i].name, Expression::parse(texts[i]));
  }
  graft.vit().tensors().at("blocks.0.norm1.weight") *= 1.5;
  save_graft(folder / "grafted", graft);
  const auto outcome =
      run_program({"export", folder / "grafted", "--to", "torch", "-o", folder / "exported"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;

  torch::manual_seed(7);
  const torch::Tensor images = torch::randn({4, 3, 32, 32});
  write_atomically(folder / "images.f32", {static_cast<const char*>(images.data_ptr()), images.nbytes()});
  write_atomically(
      folder / "check.py",
      fmt::format(
          "import sys\n"
          "sys.path[:0] = ['{0}/tests/oracle', '{1}/exported']\n"
          "import numpy, torch, graft, vit\n"
          "network, config = vit.load('{1}/model')\n"
          "graft.load(network, '{1}/exported')\n"
          "images = torch.from_numpy(numpy.fromfile('{1}/images.f32', numpy.float32).reshape(4, 3, 32, 32))\n"
          "with torch.no_grad():\n"
          "    network(images).numpy().astype(numpy.float32).tofile('{1}/logits.f32')\n",
          NORMGRAFT_SOURCE_DIR, folder.path().string()));
  const std::string command =
      fmt::format("/usr/bin/python3 {0}/check.py 2> {0}/err.txt", folder.path().string());
  ASSERT_EQ(std::system(command.c_str()), 0) << read_file(folder / "err.txt", "errors");
  std::string bytes = read_file(folder / "logits.f32", "logits");
  const torch::Tensor expected = torch::from_blob(bytes.data(), {4, 3}, torch::kFloat32);
  const torch::Tensor logits = graft.forward(images);
  EXPECT_LT((logits - expected).abs().max().item<double>(), 1e-4 * expected.abs().max().item<double>());
}

}  // namespace
}  // namespace normgraft
