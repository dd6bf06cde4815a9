#include "normgraft/integer/engine.h"

#include <fmt/format.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "engine_plan.h"
#include "normgraft/core/error.h"

namespace normgraft {
namespace {

/// Rows that go through the steps of a phase at once: few enough that their codes stay in cache.
constexpr size_t kRowsAtOnce = 24;
constexpr size_t kRowsOfTile = 6;  ///< a multiple of what products take at once

}  // namespace

class IntegerEngine::Impl {
 public:
  Impl(const IntegerProgram& program, const EngineOptions& options)
      : plan_(program, engine_kernels(options.byte_products)) {}

  std::vector<int32_t> run(std::span<const int8_t> pictures, size_t threads) const {
    const size_t batch = pictures.size() / plan_.picture_codes;
    std::vector<int32_t> logits(batch * plan_.classes);
    const auto run_one = [&](size_t picture, size_t of_threads) {
      run_picture(pictures.subspan(picture * plan_.picture_codes, plan_.picture_codes), of_threads,
                  logits.data() + picture * plan_.classes);
    };
    if (threads == 1) {
      for (size_t i = 0; i < batch; ++i) run_one(i, 1);
      return logits;
    }
    const tbb::global_control workers(tbb::global_control::max_allowed_parallelism, threads);
    tbb::task_arena arena(static_cast<int>(threads));
    arena.execute([&] {
      // A picture for each thread as long as there are enough, then all threads on each that is left.
      const size_t whole = batch / threads * threads;
      tbb::parallel_for(
          size_t{0}, whole, [&](size_t i) { run_one(i, 1); }, tbb::simple_partitioner());
      for (size_t i = whole; i < batch; ++i) run_one(i, threads);
    });
    return logits;
  }

  size_t picture_codes() const { return plan_.picture_codes; }

 private:
  using Memory = AlignedVector<std::byte>;

  /// Calls task(0) to task(count - 1), on several threads if there are.
  template <typename Task>
  static void each(size_t count, size_t threads, const Task& task) {
    if (threads == 1 || count == 1) {
      for (size_t i = 0; i < count; ++i) task(i);
    } else {
      tbb::parallel_for(size_t{0}, count, task, tbb::simple_partitioner());
    }
  }

  static void run_phase(const Phase& phase, const EngineRun& run, size_t threads) {
    const size_t rows = phase.rows();
    if (phase.works.empty()) {
      const size_t part = (rows / threads / kRowsOfTile + 1) * kRowsOfTile, parts = (rows + part - 1) / part;
      each(phase.heads.heads * parts, threads, [&](size_t i) {
        const size_t first = i % parts * part;
        phase.heads.run(run, i / parts, first, std::min(first + part, rows));
      });
      return;
    }
    each((rows + kRowsAtOnce - 1) / kRowsAtOnce, threads, [&](size_t i) {
      const size_t first = i * kRowsAtOnce;
      for (const RowWork& work : phase.works) {
        const size_t last = std::min(first + kRowsAtOnce, work.rows);
        if (first < last) work.run(run, first, last);
      }
    });
  }

  void run_picture(std::span<const int8_t> picture, size_t threads, int32_t* logits) const {
    Memory memory = take_memory();
    const EngineRun run{picture, memory.data()};
    for (const Phase& phase : plan_.phases) run_phase(phase, run, threads);
    std::memcpy(logits, memory.data() + plan_.logits, plan_.classes * sizeof(int32_t));
    const std::lock_guard lock(mutex_);
    memories_.push_back(std::move(memory));
  }

  Memory take_memory() const {
    {
      const std::lock_guard lock(mutex_);
      if (!memories_.empty()) {
        Memory memory = std::move(memories_.back());
        memories_.pop_back();
        return memory;
      }
    }
    return Memory(plan_.memory);
  }

  EnginePlan plan_;
  mutable std::mutex mutex_;
  mutable std::vector<Memory> memories_;  ///< that no picture is computed in
};

IntegerEngine::IntegerEngine(const IntegerProgram& program, const EngineOptions& options)
    : impl_(std::make_unique<const Impl>(program, options)) {}
IntegerEngine::IntegerEngine(IntegerEngine&&) noexcept = default;
IntegerEngine& IntegerEngine::operator=(IntegerEngine&&) noexcept = default;
IntegerEngine::~IntegerEngine() = default;

std::vector<int32_t> IntegerEngine::run(std::span<const int8_t> pictures, int threads) const {
  if (threads < 1) throw InputError(fmt::format("threads is {}, expected at least 1", threads));
  if (pictures.size() % impl_->picture_codes() != 0) {
    throw InputError(fmt::format("pictures: {} codes, expected a multiple of {}, the codes of one picture",
                                 pictures.size(), impl_->picture_codes()));
  }
  return impl_->run(pictures, static_cast<size_t>(threads));
}

}  // namespace normgraft
