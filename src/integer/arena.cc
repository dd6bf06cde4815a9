#include "normgraft/integer/arena.h"

#include <algorithm>
#include <numeric>

namespace normgraft {
namespace {

/// What a step does to buffers.
struct Access {
  std::optional<BufferIndex> from = {};
  BufferIndex to = 0;
  int64_t rows = 0;         ///< that it can compute
  int64_t first_row = 0;    ///< of `to`
  bool updates = false;     ///< reads what it writes
  bool mixes_rows = false;  ///< each row of `to` depends on all of `from`
  int64_t scratch = 0;      ///< numbers of 32 bits
};

const IntegerBuffer& buffer_at(const IntegerProgram& program, BufferIndex index) {
  return program.buffers[static_cast<size_t>(index)];
}

/// Tells how each kind of step goes about buffers.
struct AccessOf {
  const IntegerProgram& program;

  int64_t rows(BufferIndex index) const { return buffer_at(program, index).rows; }

  Access operator()(const PatchStep& s) const { return {.to = s.to, .rows = rows(s.to)}; }
  Access operator()(const FillStep& s) const { return {.to = s.to, .rows = rows(s.to)}; }
  Access operator()(const LinearStep& s) const {
    return {.from = s.from, .to = s.to, .rows = s.rows, .first_row = s.first_row, .updates = s.adds};
  }
  Access operator()(const ScaleStep& s) const { return {.from = s.from, .to = s.to, .rows = s.rows}; }
  Access operator()(const CurveStep& s) const { return {.from = s.from, .to = s.to, .rows = s.rows}; }
  Access operator()(const NormStep& s) const { return {.from = s.from, .to = s.to, .rows = s.rows}; }
  Access operator()(const FirstSpreadStep& s) const {
    return {.from = s.from, .to = s.to, .rows = rows(s.from), .updates = true};
  }
  Access operator()(const AttentionStep& s) const {
    const IntegerBuffer& from = buffer_at(program, s.from);
    return {.from = s.from,
            .to = s.to,
            .rows = from.rows,
            .mixes_rows = true,
            .scratch = from.rows + from.width / 3 / s.heads};
  }
};

/// A step that is computed.
struct Use {
  size_t step = 0;
  Access access;
  bool begins = false;  ///< nothing of `to` is needed from before
};

/// The steps that something depends on, with no more rows than that.
std::vector<Use> used_steps(const IntegerProgram& program) {
  std::vector<std::vector<bool>> needed;  // by buffer and row
  for (const IntegerBuffer& buffer : program.buffers) needed.emplace_back(static_cast<size_t>(buffer.rows));
  const auto need = [&needed](BufferIndex buffer, int64_t rows) {
    std::fill_n(needed[static_cast<size_t>(buffer)].begin(), rows, true);
  };
  need(program.logits, buffer_at(program, program.logits).rows);
  std::vector<Use> uses;
  for (size_t i = program.steps.size(); i-- > 0;) {
    Access access = std::visit(AccessOf{program}, program.steps[i].step);
    std::vector<bool>& to = needed[static_cast<size_t>(access.to)];
    const auto first = to.begin() + access.first_row;
    while (access.rows > 0 && !first[access.rows - 1]) --access.rows;
    if (access.rows == 0) continue;
    if (!access.updates) std::fill_n(first, access.rows, false);
    const bool begins = std::find(to.begin(), to.end(), true) == to.end();
    if (access.from) {
      need(*access.from, access.mixes_rows ? buffer_at(program, *access.from).rows : access.rows);
    }
    uses.push_back({i, access, begins});
  }
  std::reverse(uses.begin(), uses.end());
  return uses;
}

/// Puts off what reads no buffer until what it writes is read: patches are then cut one by one.
void put_off_sources(std::vector<Use>& uses) {
  for (size_t u = uses.size(); u-- > 0;) {
    if (uses[u].access.from) continue;
    const BufferIndex to = uses[u].access.to;
    const auto wants = [to](const Use& use) { return use.access.from == to || use.access.to == to; };
    const auto begin = uses.begin() + static_cast<std::ptrdiff_t>(u);
    const auto wanting = std::find_if(begin + 1, uses.end(), wants);
    if (wanting != uses.end() && wanting->access.from == to) std::rotate(begin, begin + 1, wanting);
  }
}

/// A stay of a buffer's numbers: from the use that begins to write them to the last that reads them.
struct Stay {
  BufferIndex buffer = 0;
  size_t first = 0, last = 0;  ///< uses
  int64_t rows = 0;
  bool one_row = false;
};

struct Stays {
  std::vector<Stay> all;
  std::vector<std::optional<size_t>> from;  ///< for each use
  std::vector<size_t> to;
};

Stays stays_of(const IntegerProgram& program, const std::vector<Use>& uses) {
  Stays stays;
  std::vector<size_t> current(program.buffers.size());
  for (size_t u = 0; u < uses.size(); ++u) {
    const Access& access = uses[u].access;
    const auto touch = [&](BufferIndex buffer, int64_t rows) {
      const size_t index = current[static_cast<size_t>(buffer)];
      stays.all[index].last = u;
      stays.all[index].rows = std::max(stays.all[index].rows, rows);
      return index;
    };
    stays.from.emplace_back();
    if (access.from) {
      const int64_t rows = access.mixes_rows ? buffer_at(program, *access.from).rows : access.rows;
      stays.from.back() = touch(*access.from, rows);
    }
    if (uses[u].begins) {
      current[static_cast<size_t>(access.to)] = stays.all.size();
      stays.all.push_back({.buffer = access.to, .first = u});
    }
    stays.to.push_back(touch(access.to, access.first_row + access.rows));
  }
  return stays;
}

/// Whether uses first to last may run row by row: the rows that one reads are then as they were or as they
/// will be, just as when each runs to its end before the next.
bool may_interleave(const std::vector<Use>& uses, size_t first, size_t last) {
  for (size_t u = first; u <= last; ++u) {
    const Access& writer = uses[u].access;
    if (writer.rows != uses[first].access.rows) return false;
    for (size_t v = first; v <= last; ++v) {
      const Access& other = uses[v].access;
      if (other.to == writer.to && other.first_row != writer.first_row) return false;
      if (other.from == writer.to && (other.mixes_rows || writer.first_row != 0)) return false;
    }
  }
  return true;
}

/// The first use of each pass. Uses are joined where a stay can be one row then.
std::vector<size_t> passes_of(const std::vector<Use>& uses, std::vector<Stay>& stays) {
  std::vector<size_t> first_of(uses.size()), last_of(uses.size());  // of the pass that a use is in
  std::iota(first_of.begin(), first_of.end(), 0);
  std::iota(last_of.begin(), last_of.end(), 0);
  for (Stay& stay : stays) {
    const size_t first = first_of[stay.first], last = last_of[stay.last];
    if (!may_interleave(uses, first, last)) continue;
    stay.one_row = true;
    stay.rows = 1;
    for (size_t u = first; u <= last; ++u) first_of[u] = first, last_of[u] = last;
  }
  std::vector<size_t> firsts;
  for (size_t u = 0; u < uses.size(); u = last_of[u] + 1) firsts.push_back(u);
  return firsts;
}

int64_t aligned(int64_t bytes) {
  return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

/// Gives each slot the lowest offset where no other lies meanwhile, the largest slot first. The arena's size.
int64_t place(std::vector<ArenaSlot>& slots) {
  std::vector<size_t> order(slots.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return slots[a].bytes > slots[b].bytes; });
  std::vector<const ArenaSlot*> placed;  // by offset
  int64_t size = 0;
  for (const size_t i : order) {
    ArenaSlot& slot = slots[i];
    slot.offset = 0;
    for (const ArenaSlot* other : placed) {
      if (other->last_pass < slot.first_pass || slot.last_pass < other->first_pass) continue;
      if (slot.offset + slot.bytes <= other->offset) break;
      slot.offset = std::max(slot.offset, other->offset + other->bytes);
    }
    size = std::max(size, slot.offset + slot.bytes);
    const auto after =
        std::upper_bound(placed.begin(), placed.end(), slot.offset,
                         [](int64_t offset, const ArenaSlot* s) { return offset < s->offset; });
    placed.insert(after, &slot);
  }
  return size;
}

}  // namespace

ArenaPlan plan_arena(const IntegerProgram& program) {
  std::vector<Use> uses = used_steps(program);
  put_off_sources(uses);
  Stays stays = stays_of(program, uses);
  const std::vector<size_t> firsts = passes_of(uses, stays.all);
  const auto pass_of = [&firsts](size_t use) {
    return static_cast<size_t>(std::upper_bound(firsts.begin(), firsts.end(), use) - firsts.begin()) - 1;
  };
  ArenaPlan plan;
  for (const Stay& stay : stays.all) {
    const IntegerBuffer& buffer = buffer_at(program, stay.buffer);
    plan.slots.push_back({.buffer = stay.buffer,
                          .one_row = stay.one_row,
                          .rows = stay.rows,
                          .first_pass = pass_of(stay.first),
                          .last_pass = pass_of(stay.last),
                          .bytes = aligned(stay.rows * buffer.width * buffer.bits / 8)});
  }
  for (size_t u = 0; u < uses.size(); ++u) {
    const size_t pass = pass_of(u);
    if (pass == plan.passes.size()) plan.passes.push_back({.rows = uses[u].access.rows});
    PlannedStep step{.step = uses[u].step, .from = stays.from[u], .to = stays.to[u]};
    if (const int64_t scratch = uses[u].access.scratch; scratch > 0) {
      step.scratch = plan.slots.size();
      plan.slots.push_back({.rows = 1, .first_pass = pass, .last_pass = pass, .bytes = aligned(4 * scratch)});
    }
    plan.passes[pass].steps.push_back(step);
  }
  plan.logits = stays.to.back();
  plan.bytes = place(plan.slots);
  return plan;
}

}  // namespace normgraft
