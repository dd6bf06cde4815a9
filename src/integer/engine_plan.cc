#include "engine_plan.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

#include "engine_pack.h"
#include "normgraft/integer/arithmetic.h"

namespace normgraft {
namespace {

/// Codes whose place is counted from the begin of a picture's memory.
struct Place {
  size_t offset;
  Codes codes;

  Codes in(const EngineRun& run) const {
    Codes here = codes;
    here.data = run.memory + offset;
    return here;
  }
};

size_t size_of(Storage storage) {
  switch (storage) {
    case Storage::kBytes:
      return sizeof(uint8_t);
    case Storage::kShorts:
      return sizeof(int16_t);
    case Storage::kInts:
      break;
  }
  return sizeof(int32_t);
}

size_t row_bytes(const Codes& codes) {
  return codes.stride * size_of(codes.storage);
}

int64_t get(const Codes& codes, size_t row, size_t column) {
  const std::byte* begin = codes.data + row * row_bytes(codes);
  switch (codes.storage) {
    case Storage::kBytes:
      return int64_t{reinterpret_cast<const uint8_t*>(begin)[column]} - 128;
    case Storage::kShorts:
      return reinterpret_cast<const int16_t*>(begin)[column];
    case Storage::kInts:
      break;
  }
  return reinterpret_cast<const int32_t*>(begin)[column];
}

/// Clamped to what the buffer can hold.
void put(const Codes& codes, size_t row, size_t column, int64_t v) {
  std::byte* begin = codes.data + row * row_bytes(codes);
  const int64_t code = std::clamp(v, int64_t{codes.lowest}, int64_t{codes.largest});
  switch (codes.storage) {
    case Storage::kBytes:
      reinterpret_cast<uint8_t*>(begin)[column] = static_cast<uint8_t>(code + 128);
      return;
    case Storage::kShorts:
      reinterpret_cast<int16_t*>(begin)[column] = static_cast<int16_t>(code);
      return;
    case Storage::kInts:
      reinterpret_cast<int32_t*>(begin)[column] = static_cast<int32_t>(code);
      return;
  }
}

void cut_patch(const PatchStep& step, const Codes& to, std::span<const int8_t> picture, size_t row) {
  const auto height = static_cast<size_t>(step.height), width = static_cast<size_t>(step.width);
  const auto patch_height = static_cast<size_t>(step.patch_height);
  const auto patch_width = static_cast<size_t>(step.patch_width);
  const size_t across = width / patch_width;
  const size_t top = row / across * patch_height, left = row % across * patch_width;
  for (size_t line = 0; line < 3 * patch_height; ++line) {
    const size_t colour = line / patch_height, y = top + line % patch_height;
    const int8_t* pixels = picture.data() + (colour * height + y) * width + left;
    const size_t column = line * patch_width;
    if (to.storage == Storage::kBytes) {
      auto* codes = reinterpret_cast<uint8_t*>(to.data) + row * to.stride + column;
      for (size_t x = 0; x < patch_width; ++x) codes[x] = static_cast<uint8_t>(pixels[x] ^ 0x80);
    } else {
      for (size_t x = 0; x < patch_width; ++x) put(to, row, column + x, pixels[x]);
    }
  }
}

/// Makes phases of steps, one after another.
class Planner {
 public:
  Planner(const IntegerProgram& program, const EngineKernels& kernels, std::vector<Phase>& phases)
      : program_(program), kernels_(kernels), packer_(program, kernels), phases_(phases) {
    for (const IntegerBuffer& buffer : program.buffers) place(buffer);
  }

  void plan_all() {
    for (const PlacedStep& placed : program_.steps) {
      std::visit([this](const auto& step) { plan(step); }, placed.step);
    }
  }

  size_t memory() const { return memory_; }
  const Place& at(BufferIndex i) const { return places_[static_cast<size_t>(i)]; }

 private:
  void place(const IntegerBuffer& buffer) {
    Codes codes;
    codes.width = static_cast<size_t>(buffer.width);
    codes.stride = (codes.width + kRowCodes - 1) / kRowCodes * kRowCodes;
    codes.storage = packer_.storage(buffer);
    codes.largest = static_cast<int32_t>(largest_code(buffer.bits));
    codes.lowest = -codes.largest - 1;
    places_.push_back({memory_, codes});
    memory_ += (static_cast<size_t>(buffer.rows) * codes.stride + kRowCodes) * size_of(codes.storage);
  }

  /// A buffer that a step reads or writes, and the row of it where the step begins.
  struct Use {
    BufferIndex buffer;
    int64_t first_row = 0;
  };

  /// Adds a step to the last phase, or to a new one where it uses a buffer at another row than a step there.
  template <typename Run>
  void add(int64_t rows, std::initializer_list<Use> uses, Run run) {
    const bool fits = !phases_.empty() && !phases_.back().works.empty() &&
                      std::all_of(uses.begin(), uses.end(), [&](Use use) {
                        const auto found = begins_.find(use.buffer);
                        return found == begins_.end() || found->second == use.first_row;
                      });
    if (!fits) {
      phases_.emplace_back();
      begins_.clear();
    }
    for (const Use& use : uses) begins_[use.buffer] = use.first_row;
    phases_.back().works.push_back({static_cast<size_t>(rows), std::move(run)});
  }

  /// A step that makes one row of `to` of one row of `from`, by a kernel.
  template <typename Step, typename Kernel>
  void add_rows(const Step& step, Kernel kernel) {
    const Place from = at(step.from), to = at(step.to);
    add(step.rows, {{step.from}, {step.to}},
        [packed = std::make_shared<const decltype(packer_.pack(step))>(packer_.pack(step)), from, to, kernel](
            const EngineRun& run, size_t first, size_t last) {
          kernel(*packed, from.in(run), to.in(run), first, last);
        });
  }

  void plan(const PatchStep& step) {
    const Place to = at(step.to);
    add(program_.buffers[static_cast<size_t>(step.to)].rows, {{step.to}},
        [step, to](const EngineRun& run, size_t first, size_t last) {
          for (size_t row = first; row < last; ++row) cut_patch(step, to.in(run), run.picture, row);
        });
  }

  void plan(const FillStep& step) {
    const Place to = at(step.to);
    const int64_t rows = program_.buffers[static_cast<size_t>(step.to)].rows;
    const size_t row_size = row_bytes(to.codes);
    const auto values = std::make_shared<AlignedVector<std::byte>>(static_cast<size_t>(rows) * row_size);
    Codes codes = to.codes;
    codes.data = values->data();
    const IntegerTensor& tensor = program_.tensors.at(step.tensor);
    for (int64_t i = 0; i < tensor.size(); ++i) {
      put(codes, static_cast<size_t>(i) / codes.width, static_cast<size_t>(i) % codes.width, tensor.at(i));
    }
    add(rows, {{step.to}}, [values, row_size, to](const EngineRun& run, size_t first, size_t last) {
      std::memcpy(to.in(run).data + first * row_size, values->data() + first * row_size,
                  (last - first) * row_size);
    });
  }

  void plan(const LinearStep& step) {
    const Place from = at(step.from), to = at(step.to);
    add(step.rows, {{step.from}, {step.to, step.first_row}},
        [packed = std::make_shared<const LinearPlan>(packer_.pack(step)), from, to, kernel = kernels_.linear,
         begin = static_cast<size_t>(step.first_row)](const EngineRun& run, size_t first, size_t last) {
          kernel(*packed, from.in(run), to.in(run), begin, first, last);
        });
  }

  void plan(const ScaleStep& step) { add_rows(step, kernels_.scale); }
  void plan(const CurveStep& step) { add_rows(step, kernels_.curve); }
  void plan(const NormStep& step) { add_rows(step, kernels_.norm); }

  void plan(const FirstSpreadStep& step) {
    const Place from = at(step.from), to = at(step.to);
    const int64_t rows = program_.buffers[static_cast<size_t>(step.from)].rows;
    add(rows, {{step.from}, {step.to}},
        [step, from, to, scale = program_.tensors.at(step.scale), number = program_.tensors.at(step.number),
         knots = program_.tensors.at(step.log2.knots)](const EngineRun& run, size_t first, size_t last) {
          for (size_t row = first; row < last; ++row) {
            int64_t sum = number.at(static_cast<int64_t>(row)) * (int64_t{1} << step.number_shift);
            for (size_t k = 0; k < from.codes.width; ++k) {
              const int64_t p = get(from.in(run), row, k);
              sum += scale.at(static_cast<int64_t>(k)) * (p * p);
            }
            sum = std::max(sum, int64_t{1});
            const int64_t log2 = int64_t{leading_one(sum)} * 65536 +
                                 value_at(step.log2, knots, fraction_behind_leading_one(sum));
            put(to.in(run), row, 0, apply(step.rescale, log2) + step.zero);
          }
        });
  }

  void plan(const AttentionStep& step) {
    const Place from = at(step.from), to = at(step.to);
    const auto packed = std::make_shared<const AttentionPlan>(packer_.pack(step));
    Phase phase;
    phase.heads = {packed->heads, packed->rows,
                   [packed, from, to, kernel = kernels_.attend](const EngineRun& run, size_t head,
                                                                size_t first, size_t last) {
                     kernel(*packed, from.in(run), to.in(run), head, first, last);
                   }};
    phases_.push_back(std::move(phase));
  }

  const IntegerProgram& program_;
  const EngineKernels& kernels_;
  Packer packer_;
  std::vector<Phase>& phases_;
  std::vector<Place> places_;
  std::map<BufferIndex, int64_t> begins_;  ///< of the buffers that the last phase uses
  size_t memory_ = 0;
};

}  // namespace

size_t Phase::rows() const {
  size_t most = heads.rows;
  for (const RowWork& work : works) most = std::max(most, work.rows);
  return most;
}

EnginePlan::EnginePlan(const IntegerProgram& program, const EngineKernels& kernels)
    : picture_codes(size_t{3} * static_cast<size_t>(program.preprocessing.height) *
                    static_cast<size_t>(program.preprocessing.width)),
      classes(static_cast<size_t>(program.buffers[static_cast<size_t>(program.logits)].width)) {
  Planner planner(program, kernels, phases);
  planner.plan_all();
  memory = planner.memory();
  logits = planner.at(program.logits).offset;
}

}  // namespace normgraft
