#include "normgraft/network/torch_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "fixtures.h"
#include "normgraft/core/error.h"
#include "normgraft/core/random.h"
#include "normgraft/network/safetensors.h"
#include "torch_pickle.h"

// Files that torch.save wrote (tests/oracle/torch_files.py).

namespace normgraft {
namespace {

using testing::input_error;
using testing::Listener;

class TorchFile : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("/usr/bin/python3 -c 'import torch, numpy' 2>/dev/null") != 0)
      GTEST_SKIP() << "/usr/bin/python3 has no torch and numpy (Debian: python3-torch)";
    ASSERT_EQ(std::system(fmt::format("/usr/bin/python3 {}/tests/oracle/torch_files.py {}",
                                      NORMGRAFT_SOURCE_DIR, folder_.path().string())
                              .c_str()),
              0);
  }
  Tensors read(const std::string& name) { return read_torch_file(folder_ / name, listener_); }
  void expect_refused(const std::string& name, const std::string& part) {
    const std::string message = input_error([&] { read(name); });
    EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }

  testing::TemporaryFolder folder_;
  Listener listener_;
};

TEST_F(TorchFile, HoldsTheTensorsThatWereSaved) {
  const Tensors expected = read_safetensors(folder_ / "expected.safetensors");
  for (const char* name : {"bare.pth", "protocol4.pth", "within.pth"}) {
    SCOPED_TRACE(name);
    const Tensors found = read(name);
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [tensor, value] : expected) {
      EXPECT_EQ(found.at(tensor).sizes(), value.sizes()) << tensor;
      EXPECT_TRUE(at::equal(found.at(tensor), value)) << tensor;
    }
  }
}

TEST_F(TorchFile, WithinADictionaryIsSaidToBe) {
  read("bare.pth");
  EXPECT_TRUE(listener_.notices.empty());
  read("within.pth");
  EXPECT_TRUE(listener_.heard("its entry \"model\" is read"));
}

TEST_F(TorchFile, NamesWhatItLeavesOutAndKeepsWholeNumbers) {
  const Tensors found = read("beside.pth");
  EXPECT_EQ(found.size(), 2);
  EXPECT_EQ(found.at("counts").scalar_type(), at::kLong);
  EXPECT_TRUE(listener_.heard("1 entries are no tensors and left out: epoch"));
}

TEST_F(TorchFile, ThatWouldRunSomethingIsRefusedAndRunsNothing) {
  expect_refused("harmful.pth", "the pickle names posix.system, expected what a state_dict needs");
  EXPECT_FALSE(std::filesystem::exists("harmed"));
}

TEST_F(TorchFile, ThatIsNoneOrHasNoStateIsRefused) {
  expect_refused("text.pth", "no zip archive, expected what torch.save of PyTorch 1.6 or newer writes");
  expect_refused("old.pth", "no zip archive, expected what torch.save of PyTorch 1.6 or newer writes");
  expect_refused("list.pth", "the pickle is no dictionary");
  expect_refused("empty.pth", "the pickle holds no tensors");
  expect_refused("absent.pth", "not found, or not a file");
}

TEST_F(TorchFile, ThatIsDamagedIsRefused) {
  expect_refused("short.pth", "lies beyond the");
  expect_refused("missing.pth", "needs data/0, which is missing");
  expect_refused("big.pth", "its byte order is big, expected little");
}

TEST_F(TorchFile, PickleThatIsDamagedAnywhereIsReadOrRefused) {
  const std::string whole = read_file(folder_ / "data.pkl", "pickle");
  EXPECT_EQ(read_state_pickle(whole, "p").tensors.size(), 10);
  const auto refused = [](const std::string& bytes) {
    try {
      read_state_pickle(bytes, "p");
      return false;
    } catch (const InputError&) {
      return true;
    }
  };
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_TRUE(refused(whole.substr(0, size))) << size;
  Random random({7});
  int count = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = whole;
    for (int k = 0; k < 3; ++k) bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    count += refused(bytes) ? 1 : 0;
  }
  EXPECT_GT(count, 5000);
}

TEST(StatePickle, OfDeepNestingIsRefusedWithoutAHeap) {
  std::string bytes = "\x80\x02)";
  bytes += std::string(2'000'000, '\x85') + ".";
  EXPECT_THROW(read_state_pickle(bytes, "p"), InputError);
}

TEST(StatePickle, ThatHoldsItselfIsRefused) {
  EXPECT_THROW(read_state_pickle(std::string("\x80\x02}q\x00X\x01\x00\x00\x00"
                                             "ah\x00s.",
                                             15),
                                 "p"),
               InputError);
}

TEST(StatePickle, NamesAnOpcodeThatItDoesNotKnow) {
  const std::string message = input_error([] { read_state_pickle("\x80\x02i", "file"); });
  EXPECT_EQ(message, "file: the pickle has the opcode 0x69 at byte 2, expected those of a state_dict");
}

}  // namespace
}  // namespace normgraft
