#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <vector>

#include "normgraft/integer/engine.h"
#include "normgraft/integer/interpreter.h"
#include "normgraft/integer/program_folder.h"

// integer_logits FOLDER interpreter|engine PICTURES: the logits of an integer folder for a file of pictures,
// codes pixel - 128 colour by colour, one picture after the other: to standard output, 32 bits each, as this
// machine stores them.
int main(int argc, char** argv) {
  using namespace normgraft;
  if (argc != 4) return 2;
  const IntegerProgram program = read_integer_folder(argv[1]);
  std::ifstream file(argv[3], std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const std::span pictures(reinterpret_cast<const int8_t*>(bytes.data()), bytes.size());
  const Preprocessing& p = program.preprocessing;
  const auto size = static_cast<size_t>(3 * p.height * p.width);
  const auto write = [](const std::vector<int32_t>& logits) {
    std::fwrite(logits.data(), sizeof(int32_t), logits.size(), stdout);
  };
  if (std::strcmp(argv[2], "engine") == 0) {
    write(IntegerEngine(program).run(pictures, 2));
    return 0;
  }
  for (size_t at = 0; at + size <= pictures.size(); at += size)
    write(interpret(program, pictures.subspan(at, size)));
  return 0;
}
