#include "normgraft/integer/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <span>

#include "support/integer_programs.h"

namespace normgraft {
namespace {

/// What a step reads and writes, said apart from the planner.
struct Touched {
  std::optional<BufferIndex> rows_of, all_of;  ///< row n, or every row
  BufferIndex to = 0;
  int64_t rows = 0, first_row = 0;
  bool reads_to = false;
};

Touched touched(const IntegerProgram& program, const IntegerStep& any) {
  Touched t;
  const auto rows = [&](BufferIndex i) { return program.buffers[static_cast<size_t>(i)].rows; };
  std::visit([&](const auto& step) { t.to = step.to; }, any);
  t.rows = rows(t.to);
  if (const auto* s = std::get_if<LinearStep>(&any)) {
    t.rows_of = s->from, t.rows = s->rows, t.first_row = s->first_row, t.reads_to = s->adds;
  }
  if (const auto* s = std::get_if<ScaleStep>(&any)) t.rows_of = s->from, t.rows = s->rows;
  if (const auto* s = std::get_if<CurveStep>(&any)) t.rows_of = s->from, t.rows = s->rows;
  if (const auto* s = std::get_if<NormStep>(&any)) t.rows_of = s->from, t.rows = s->rows;
  if (const auto* s = std::get_if<FirstSpreadStep>(&any)) t.rows_of = s->from, t.reads_to = true;
  if (const auto* s = std::get_if<AttentionStep>(&any)) t.all_of = s->from;
  return t;
}

/// Where rows lie, each told by one number.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual uint64_t read(const PlannedStep& step, bool to, int64_t row, int64_t n) = 0;
  virtual void write(const PlannedStep& step, int64_t row, int64_t n, uint64_t value) = 0;
  virtual void scribble(const PlannedStep&) {}
};

/// Computes row n of a step: a number that tells everything that it depends on.
void compute_row(const IntegerProgram& program, const PlannedStep& step, int64_t n, Memory& memory) {
  const Touched t = touched(program, program.steps[step.step].step);
  std::vector<uint64_t> sources = {step.step, static_cast<uint64_t>(n)};
  memory.scribble(step);
  if (t.rows_of) sources.push_back(memory.read(step, false, n, n));
  if (t.all_of) {
    for (int64_t row = 0; row < program.buffers[static_cast<size_t>(*t.all_of)].rows; ++row)
      sources.push_back(memory.read(step, false, row, n));
  }
  if (t.reads_to) sources.push_back(memory.read(step, true, n + t.first_row, n));
  memory.write(step, n + t.first_row, n, fnv1a(std::as_bytes(std::span(sources))));
}

/// Every row of every buffer has a place of its own.
class Apart : public Memory {
 public:
  explicit Apart(const IntegerProgram& program) : program_(program) {}
  uint64_t read(const PlannedStep& step, bool to, int64_t row, int64_t) override {
    const Touched t = touched(program_, program_.steps[step.step].step);
    const BufferIndex buffer = to ? t.to : t.all_of ? *t.all_of : *t.rows_of;
    return values_.at({buffer, row});
  }
  void write(const PlannedStep& step, int64_t row, int64_t, uint64_t value) override {
    values_[{touched(program_, program_.steps[step.step].step).to, row}] = value;
  }
  uint64_t logits() const { return values_.at({program_.logits, 0}); }

 private:
  const IntegerProgram& program_;
  std::map<std::pair<BufferIndex, int64_t>, uint64_t> values_;
};

/// The arena, byte by byte: what is overwritten in part is lost.
class InArena : public Memory {
 public:
  InArena(const IntegerProgram& program, const ArenaPlan& plan)
      : program_(program), plan_(plan), bytes_(static_cast<size_t>(plan.bytes), 1) {}
  uint64_t read(const PlannedStep& step, bool to, int64_t row, int64_t) override {
    return at(to ? step.to : step.from.value(), row);
  }
  void write(const PlannedStep& step, int64_t row, int64_t, uint64_t value) override {
    const auto [first, length] = place(step.to, row);
    for (size_t i = 0; i < length; ++i) bytes_.at(first + i) = value + i;
  }
  void scribble(const PlannedStep& step) override {
    if (!step.scratch) return;
    const ArenaSlot& slot = plan_.slots[*step.scratch];
    for (int64_t i = 0; i < slot.bytes; ++i) bytes_.at(static_cast<size_t>(slot.offset + i)) = 2;
  }
  uint64_t logits() const { return at(plan_.logits, 0); }

 private:
  std::pair<size_t, size_t> place(size_t slot_index, int64_t row) const {
    const ArenaSlot& slot = plan_.slots.at(slot_index);
    const IntegerBuffer& buffer = program_.buffers[static_cast<size_t>(slot.buffer.value())];
    const int64_t length = buffer.width * buffer.bits / 8;
    const int64_t at = slot.one_row ? 0 : row;
    EXPECT_LE((at + 1) * length, slot.bytes) << buffer.name;
    EXPECT_LT(at, slot.rows) << buffer.name;
    return {static_cast<size_t>(slot.offset + at * length), static_cast<size_t>(length)};
  }
  /// 0 where not all bytes are those that were written there together.
  uint64_t at(size_t slot, int64_t row) const {
    const auto [first, length] = place(slot, row);
    for (size_t i = 1; i < length; ++i) {
      if (bytes_.at(first + i) != bytes_.at(first) + i) return 0;
    }
    return bytes_.at(first);
  }

  const IntegerProgram& program_;
  const ArenaPlan& plan_;
  std::vector<uint64_t> bytes_;
};

/// Whether the plan gives the logits that steps give one after the other in memory without end.
::testing::AssertionResult is_faithful(const IntegerProgram& program, const ArenaPlan& plan) {
  Apart apart(program);
  for (size_t i = 0; i < program.steps.size(); ++i) {
    const int64_t rows = touched(program, program.steps[i].step).rows;
    PlannedStep step;
    step.step = i;
    for (int64_t n = 0; n < rows; ++n) compute_row(program, step, n, apart);
  }
  InArena arena(program, plan);
  for (const Pass& pass : plan.passes) {
    for (int64_t n = 0; n < pass.rows; ++n) {
      for (const PlannedStep& step : pass.steps) compute_row(program, step, n, arena);
    }
  }
  if (apart.logits() == arena.logits()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "the logits depend on other rows";
}

/// Steps between buffers at random. Shapes alone are right: nothing can be computed with it.
IntegerProgram random_graph(Random& random) {
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random.below(static_cast<uint64_t>(n))); };
  IntegerProgram program;
  const int64_t count = 3 + below(6), most = 1 + below(5);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t rows = below(3) == 0 ? 1 + below(most) : most;
    program.buffers.push_back({fmt::format("b{}", i), rows, 3 * (1 + below(9)), 8 << below(3), 1, 0, 0, 0});
  }
  std::vector<BufferIndex> whole;  // all rows are written
  const auto fill = [&](BufferIndex to) {
    if (below(2) == 0) {
      program.steps.push_back({"fill", FillStep{to, "values"}});
    } else {
      program.steps.push_back({"patches", PatchStep{to, 1, 1, 1, 1}});
    }
    whole.push_back(to);
  };
  fill(static_cast<BufferIndex>(below(count)));
  const auto is_whole = [&](BufferIndex i) {
    return std::find(whole.begin(), whole.end(), i) != whole.end();
  };
  for (int64_t steps = 3 + below(20); steps-- > 0;) {
    const auto from = whole[static_cast<size_t>(below(std::ssize(whole)))];
    const auto to = static_cast<BufferIndex>(below(count));
    const int64_t from_rows = program.buffers[static_cast<size_t>(from)].rows;
    const int64_t to_rows = program.buffers[static_cast<size_t>(to)].rows;
    const int64_t kind = below(7);
    if (from == to || kind == 0) {
      fill(to);
    } else if (kind == 1 && from_rows == to_rows) {
      program.steps.push_back({"attention", AttentionStep{.from = from, .to = to, .heads = 1}});
      whole.push_back(to);
    } else if (kind == 2 && from_rows == to_rows && is_whole(to)) {
      program.steps.push_back({"first", FirstSpreadStep{.from = from, .to = to}});
    } else if (kind > 3 && is_whole(to)) {
      const int64_t rows = 1 + below(std::min(from_rows, to_rows));
      LinearStep step{.from = from, .to = to, .rows = rows, .first_row = below(to_rows - rows + 1)};
      step.adds = below(2) == 0;
      program.steps.push_back({"linear", step});
    } else if (from_rows >= to_rows) {
      program.steps.push_back({"curve", CurveStep{from, to, {}, to_rows}});
      whole.push_back(to);
    }
  }
  program.buffers.push_back({"logits", 1, 4, 32, 1, 0, 0, 0});
  program.logits = static_cast<BufferIndex>(count);
  program.steps.push_back({"head", LinearStep{.from = whole.back(), .to = program.logits, .rows = 1}});
  return program;
}

TEST(Arena, PlansOfRandomGraphsGiveEachStepTheRowsThatItReads) {
  size_t joined = 0, skipped = 0, shared = 0;
  for (uint64_t i = 0; i < 3000; ++i) {
    Random random({51, i});
    const IntegerProgram program = random_graph(random);
    const ArenaPlan plan = plan_arena(program);
    ASSERT_TRUE(is_faithful(program, plan)) << i;
    size_t planned = 0;
    int64_t bytes = 0;
    for (const Pass& pass : plan.passes) planned += pass.steps.size();
    for (const ArenaSlot& slot : plan.slots) bytes += slot.bytes;
    joined += plan.passes.size() < planned;
    skipped += planned < program.steps.size();
    shared += plan.bytes < bytes;
  }
  EXPECT_GT(joined, 500U);
  EXPECT_GT(skipped, 500U);
  EXPECT_GT(shared, 300U);
}

TEST(Arena, PlansOfRandomNetworksGiveEachStepTheRowsThatItReads) {
  for (uint64_t i = 0; i < 100; ++i) {
    Random random({52, i});
    const IntegerProgram program = testing::random_integer_program(random);
    ASSERT_TRUE(is_faithful(program, plan_arena(program))) << i;
  }
}

/// Row 1 of the sum takes row 1 of h first and then row 0: with clamping the order counts.
TEST(Arena, DoesNotRunRowByRowWhatWritesABufferAtDifferentRows) {
  IntegerProgram program;
  enum : BufferIndex { kX, kH, kSum, kMixed, kLogits };
  for (const char* name : {"x", "h", "sum", "mixed", "logits"}) program.buffers.push_back({name, 3, 3, 8});
  program.buffers[kLogits].rows = 1;
  program.logits = kLogits;
  program.steps = {
      {"x", FillStep{kX, "x"}},
      {"sum", FillStep{kSum, "sum"}},
      {"h", CurveStep{kX, kH, {}, 2}},
      {"adds", LinearStep{.from = kH, .to = kSum, .adds = true, .rows = 2}},
      {"adds again", LinearStep{.from = kH, .to = kSum, .adds = true, .rows = 2, .first_row = 1}},
      {"mixed", AttentionStep{.from = kSum, .to = kMixed, .heads = 1}},
      {"head", LinearStep{.from = kMixed, .to = kLogits, .rows = 1}}};
  EXPECT_TRUE(is_faithful(program, plan_arena(program)));
}

TEST(Arena, KeepsSlotsApartThatAreThereTogetherAndAligned) {
  for (uint64_t i = 0; i < 100; ++i) {
    Random random({53, i});
    const ArenaPlan plan = plan_arena(testing::random_integer_program(random));
    for (size_t a = 0; a < plan.slots.size(); ++a) {
      const ArenaSlot& one = plan.slots[a];
      EXPECT_EQ(one.offset % kArenaAlignment, 0);
      EXPECT_LE(one.offset + one.bytes, plan.bytes);
      for (size_t b = 0; b < a; ++b) {
        const ArenaSlot& other = plan.slots[b];
        const bool together = one.first_pass <= other.last_pass && other.first_pass <= one.last_pass;
        const bool apart = one.offset + one.bytes <= other.offset || other.offset + other.bytes <= one.offset;
        EXPECT_TRUE(apart || !together) << a << ", " << b;
      }
    }
  }
}

/// Like examples/shapes_vit.
constexpr testing::IntegerShape kEmbedded = {.height = 64,
                                             .width = 64,
                                             .patch_height = 8,
                                             .patch_width = 8,
                                             .channels = 64,
                                             .heads = 4,
                                             .hidden = 256,
                                             .depth = 6,
                                             .classes = 12,
                                             .projections = 4};

TEST(Arena, OfANetworkIsItsStreamItsQueriesKeysAndValuesAndOneRowOfAttention) {
  Random random({54});
  const IntegerProgram program = testing::random_integer_program(kEmbedded, random);
  int64_t row = 0;  // of the widest attention but in the last block, where qkv alone may be the most
  for (const IntegerBuffer& buffer : program.buffers) {
    if (buffer.name.ends_with(".mixed")) row = std::max(row, int64_t{64} * buffer.bits / 8);
  }
  const int64_t stream = 65 * 64 * 2, qkv = 65 * 3 * 64, scores = (65 + 16) * 4 + 4;
  EXPECT_EQ(plan_arena(program).bytes, stream + qkv + scores + row);
}

TEST(Arena, HoldsOneRowOfWhatGoesFromStepToStepRowByRow) {
  Random random({55});
  const IntegerProgram program = testing::random_integer_program(kEmbedded, random);
  std::map<std::string, std::set<int64_t>> rows;  // by the last part of a buffer's name
  for (const ArenaSlot& slot : plan_arena(program).slots) {
    if (!slot.buffer) continue;
    const std::string& name = program.buffers[static_cast<size_t>(*slot.buffer)].name;
    rows[name.substr(name.rfind('.') + 1)].insert(slot.rows);
  }
  const std::set<int64_t> one = {1};
  for (const char* name : {"patches", "projected", "y", "mixed", "wide", "active", "last", "logits"})
    EXPECT_EQ(rows[name], one) << name;
  for (const char* name : {"stream", "qkv"}) EXPECT_EQ(rows[name], std::set<int64_t>{65}) << name;
}

TEST(Arena, ComputesNoMoreThanTheClassTokenBehindTheLastKeysAndValues) {
  Random random({56});
  const IntegerProgram program = testing::random_integer_program(kEmbedded, random);
  for (const Pass& pass : plan_arena(program).passes) {
    const std::string& place = program.steps[pass.steps[0].step].place;
    const bool last = place == "blocks.5.attn" || place == "blocks.5.norm2" || place == "norm";
    EXPECT_EQ(pass.rows, last ? 1 : place == "patch_embed" ? 64 : 65) << place;
  }
}

}  // namespace
}  // namespace normgraft
