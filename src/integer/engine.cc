#include "normgraft/integer/engine.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "normgraft/integer/interpreter.h"

namespace normgraft {
namespace {

class PlainEngine : public IntegerEngine {
 public:
  PlainEngine(const IntegerProgram& program, int threads)
      : program_(program), threads_(static_cast<size_t>(std::max(1, threads))) {}

  std::vector<int32_t> logits(std::span<const int8_t> pictures) const override {
    const auto size =
        static_cast<size_t>(int64_t{3} * program_.preprocessing.height * program_.preprocessing.width);
    const auto classes = static_cast<size_t>(program_.buffers[static_cast<size_t>(program_.logits)].width);
    const size_t count = pictures.size() / size;
    std::vector<int32_t> all(count * classes);
    std::atomic<size_t> next = 0;
    std::exception_ptr fault;
    std::mutex mutex;
    const auto work = [&] {
      try {
        for (size_t i = next++; i < count; i = next++) {
          const std::vector<int32_t> own = interpret(program_, pictures.subspan(i * size, size));
          std::copy(own.begin(), own.end(), all.begin() + static_cast<ptrdiff_t>(i * classes));
        }
      } catch (...) {
        const std::lock_guard lock(mutex);
        fault = std::current_exception();
      }
    };
    std::vector<std::jthread> others;
    for (size_t t = 1; t < std::min(threads_, count); ++t) others.emplace_back(work);
    work();
    others.clear();
    if (fault) std::rethrow_exception(fault);
    return all;
  }

 private:
  const IntegerProgram& program_;
  size_t threads_;
};

}  // namespace

std::unique_ptr<IntegerEngine> plain_engine(const IntegerProgram& program, int threads) {
  return std::make_unique<PlainEngine>(program, threads);
}

}  // namespace normgraft
