#include "normgraft/data/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "normgraft/core/require.h"
#include "normgraft/data/pictures.h"

namespace normgraft {
namespace {

constexpr int64_t kLargestSkippedPercentage = 1;

void check(const LoaderOptions& options) {
  require(options.batch >= 1, "loader", "batch", options.batch, "at least 1");
  require(options.threads >= 0, "loader", "threads", options.threads, "0 (all cores) or more");
  require(options.prefetch >= 1, "loader", "prefetch", options.prefetch, "at least 1");
}

/// One picture between the worker that makes it and the batch that takes it.
struct Slot {
  bool ready = false;
  std::vector<float> pixels;
  std::string unreadable;      ///< why the picture could not be decoded; empty when it could
  std::exception_ptr failure;  ///< anything else that went wrong
};

}  // namespace

/// Workers take positions in order and fill the ring of slots, never further ahead of the consumer than the
/// ring is long: position p lives in slot p % slots.
struct Loader::State {
  State(std::vector<Picture> list, Transform function, int height, int width, const LoaderOptions& options,
        Monitor& listener)
      : pictures(std::move(list)),
        transform(std::move(function)),
        picture_size(static_cast<size_t>(3) * static_cast<size_t>(height) * static_cast<size_t>(width)),
        batch(options.batch),
        monitor(listener) {
    const int64_t ring = std::min(options.batch * options.prefetch, total());
    slots.resize(static_cast<size_t>(std::max<int64_t>(ring, 1)));
    const int64_t asked = options.threads > 0 ? options.threads : std::thread::hardware_concurrency();
    const int64_t threads = std::clamp<int64_t>(asked, 1, static_cast<int64_t>(slots.size()));
    for (int64_t t = 0; t < threads; ++t) workers.emplace_back([this] { work(); });
  }

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    room.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  int64_t total() const { return static_cast<int64_t>(pictures.size()); }
  Slot& slot(int64_t position) { return slots[static_cast<size_t>(position) % slots.size()]; }

  void work() {
    for (;;) {
      std::unique_lock lock(mutex);
      room.wait(lock, [&] {
        return stopping || started == total() || started < taken + static_cast<int64_t>(slots.size());
      });
      if (stopping || started == total()) return;
      const int64_t position = started++;
      lock.unlock();
      fill(position, slot(position));
      lock.lock();
      slot(position).ready = true;
      lock.unlock();
      filled.notify_one();
    }
  }

  void fill(int64_t position, Slot& slot) const {
    slot.unreadable.clear();
    slot.failure = nullptr;
    try {
      slot.pixels.resize(picture_size);
      if (const auto image = decode(position, slot)) transform(*image, position, slot.pixels);
    } catch (...) {
      slot.failure = std::current_exception();
    }
  }

  std::optional<Image> decode(int64_t position, Slot& slot) const {
    try {
      return decode_picture(pictures[static_cast<size_t>(position)]);
    } catch (const InputError& error) {
      slot.unreadable = error.what();
      return std::nullopt;
    }
  }

  /// Waits for the next picture and adds it to the batch, or counts it as skipped.
  void take(Batch& into) {
    const int64_t position = taken;
    Slot& from = slot(position);
    {
      std::unique_lock lock(mutex);
      filled.wait(lock, [&] { return from.ready; });
    }
    if (from.failure) std::rethrow_exception(from.failure);
    if (from.unreadable.empty()) {
      into.pixels.insert(into.pixels.end(), from.pixels.begin(), from.pixels.end());
      into.labels.push_back(pictures[static_cast<size_t>(position)].label);
      into.indices.push_back(position);
    } else {
      skip(from.unreadable);
    }
    {
      const std::lock_guard lock(mutex);
      from.ready = false;
      ++taken;
    }
    room.notify_one();
  }

  void skip(const std::string& reason) {
    ++skipped;
    monitor.notice(fmt::format("skipped: {}", reason));
    if (skipped * 100 > total() * kLargestSkippedPercentage) {
      throw InputError(
          fmt::format("{} of {} pictures cannot be decoded, expected at most {} %; the last one: {}", skipped,
                      total(), kLargestSkippedPercentage, reason));
    }
  }

  const std::vector<Picture> pictures;
  const Transform transform;
  const size_t picture_size;
  const int64_t batch;
  Monitor& monitor;
  std::vector<Slot> slots;

  std::mutex mutex;
  std::condition_variable room;    ///< workers wait for the consumer
  std::condition_variable filled;  ///< the consumer waits for workers
  bool stopping = false;
  int64_t started = 0;  ///< positions given to workers
  int64_t taken = 0;    ///< positions handed out or skipped
  int64_t skipped = 0;
  std::vector<std::thread> workers;
};

Loader::Loader(std::vector<Picture> pictures, Transform transform, int height, int width,
               const LoaderOptions& options, Monitor& monitor) {
  check(options);
  state_ =
      std::make_unique<State>(std::move(pictures), std::move(transform), height, width, options, monitor);
}

Loader::~Loader() = default;

std::optional<Batch> Loader::next() {
  Batch batch;
  const int64_t expected = std::min(state_->batch, state_->total() - state_->taken);
  batch.pixels.reserve(static_cast<size_t>(expected) * state_->picture_size);
  while (batch.size() < state_->batch && state_->taken < state_->total()) state_->take(batch);
  if (batch.size() == 0) return std::nullopt;
  return batch;
}

int64_t Loader::skipped() const {
  return state_->skipped;
}

Transform evaluation_transform(const Preprocessing& preprocessing) {
  preprocessing.validate();
  return [preprocessing](const Image& image, int64_t, std::span<float> chw) {
    preprocess(image, preprocessing, chw);
  };
}

}  // namespace normgraft
