#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "normgraft/core/files.h"
#include "normgraft/emit/torch_file.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::TemporaryFolder;

/// A model with two norm sites of different gamma and beta, and a checkpoint of other values written by hand.
constexpr const char* kModel = R"(import json, struct, sys, torch
import graft

class Block(torch.nn.Module):
    def __init__(self, start):
        super().__init__()
        self.norm1 = torch.nn.LayerNorm(3)
        self.norm1.weight.data = start + torch.tensor([1.0, 2.0, 3.0])
        self.norm1.bias.data = -start - torch.tensor([0.5, 0.25, 4.0])

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.ModuleList([Block(0), Block(10)])

    def forward(self, x):
        return torch.stack([block.norm1(x) for block in self.blocks])

x = torch.tensor([[-2.0, 0.5, 3.0]])
squares = x.square() + 1
gamma = torch.tensor([1.0, 2.0, 3.0])
beta = torch.tensor([0.5, 0.25, 4.0])

def write(folder, dtype):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for index in (1, 0):
        for name, value in (("bias", [7.0 + index, 8.0, 9.0]), ("weight", [-1.0, -2.0, -3.0 - index])):
            begin = len(data)
            data += struct.pack("<3f", *value)
            header[f"blocks.{index}.norm1.{name}"] = {"dtype": dtype, "shape": [3], "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    open(folder + "/model.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)
)";

/// Runs the model's script, then `check`, beside a graft.py of one function at both sites; what it complained
/// about.
std::string complaints_of(const std::string& check) {
  const TemporaryFolder folder;
  const Expression f = Expression::parse("square(x) + 1");
  write_atomically(folder / "graft.py", torch_source({{"blocks.0.norm1", f}, {"blocks.1.norm1", f}}));
  write_atomically(folder / "check.py", kModel + check);
  const std::string command =
      fmt::format("cd {} && /usr/bin/python3 check.py > err.txt 2>&1", folder.path().string());
  const int status = std::system(command.c_str());
  return status == 0 ? "" : read_file(folder / "err.txt", "errors");
}

TEST(TorchFile, PutsTheFunctionBetweenInputAndGammaAndBetaOfTheModel) {
  EXPECT_EQ(complaints_of(R"(
model = graft.apply(Model())
assert type(model.blocks[0].norm1).__name__ == "ScalarNorm"
expected = torch.stack([squares * gamma - beta, squares * (gamma + 10) - beta - 10])
assert torch.allclose(model(x), expected), model(x)
)"),
            "");
}

TEST(TorchFile, LoadsTheWeightsOfAGraftedModelFolder) {
  EXPECT_EQ(complaints_of(R"(
write(".", "F32")
model = graft.load(Model(), ".")
expected = torch.stack([squares * torch.tensor([-1.0, -2.0, -3.0]) + torch.tensor([7.0, 8.0, 9.0]),
                        squares * torch.tensor([-1.0, -2.0, -4.0]) + torch.tensor([8.0, 8.0, 9.0])])
assert torch.allclose(model(x), expected), model(x)
)"),
            "");
}

TEST(TorchFile, RefusesAModelWithoutTheSiteAndWeightsOfAnotherType) {
  EXPECT_EQ(complaints_of(R"(
small = Model()
small.blocks = small.blocks[:1]
try:
    graft.apply(small)
    raise AssertionError("a missing site was passed over")
except KeyError as error:
    assert "blocks.1.norm1" in str(error)
write(".", "F16")
try:
    graft.load(Model(), ".")
    raise AssertionError("other types were read as F32")
except ValueError as error:
    assert "F16" in str(error)
)"),
            "");
}

}  // namespace
}  // namespace normgraft
