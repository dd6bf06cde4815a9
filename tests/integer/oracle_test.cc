// The interpreter against tests/integer/oracle.py, which was written from docs/integer.md alone.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "normgraft/integer/interpreter.h"
#include "normgraft/integer/program_folder.h"
#include "support/integer_programs.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

/// What every buffer holds at the end, buffer after buffer.
std::vector<int32_t> all_buffers(IntegerProgram program, const std::vector<int8_t>& picture) {
  std::vector<int32_t> all;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    program.logits = static_cast<BufferIndex>(i);
    const std::vector<int32_t> codes = interpret(program, picture);
    all.insert(all.end(), codes.begin(), codes.end());
  }
  return all;
}

TEST(IntegerInterpreter, HoldsInEveryBufferWhatTheOracleHolds) {
  constexpr uint64_t kPrograms = 40;
  const testing::TemporaryFolder root;
  std::vector<std::vector<int32_t>> expected;
  std::string command = fmt::format("/usr/bin/python3 {}/tests/integer/oracle.py", NORMGRAFT_SOURCE_DIR);
  for (uint64_t i = 0; i < kPrograms; ++i) {
    Random random({32, i});
    const IntegerProgram program = testing::random_integer_program(random);
    const std::vector<int8_t> picture = testing::random_codes(program, random);
    const Path folder = root / fmt::format("{:03}", i);
    write_integer_folder(folder, program);
    write_atomically(folder / "picture.i8", {reinterpret_cast<const char*>(picture.data()), picture.size()});
    expected.push_back(all_buffers(program, picture));
    command += fmt::format(" {}", folder.string());
  }
  command += fmt::format(" > {}/said.txt 2>&1", root.path().string());
  ASSERT_EQ(std::system(command.c_str()), 0) << read_file(root / "said.txt", "output");
  for (uint64_t i = 0; i < kPrograms; ++i) {
    const std::string bytes = read_file(root / fmt::format("{:03}", i) / "buffers.i32", "buffers");
    std::vector<int32_t> held(bytes.size() / sizeof(int32_t));
    std::memcpy(held.data(), bytes.data(), bytes.size());
    EXPECT_EQ(held, expected[i]) << "program " << i;
  }
}

}  // namespace
}  // namespace normgraft
