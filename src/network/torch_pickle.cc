#include "torch_pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

/// What a pickle makes, as far as a state_dict needs it. It points to what the machine holds.
struct Value {
  enum class Kind : uint8_t { kOther, kNumber, kText, kList, kDictionary, kGlobal, kStorage, kTensor };
  using Items = std::vector<Value>;

  Kind kind = Kind::kOther;
  int64_t number = 0;
  std::string_view text;   ///< a text; of a global "module name"; of a storage its file
  std::string_view type;   ///< of a storage
  Items* items = nullptr;  ///< of a list or tuple; of a dictionary keys and values in turn; of a tensor what
                           ///< it was rebuilt from
};

using Kind = Value::Kind;

constexpr std::string_view kRebuildTensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils _rebuild_parameter";
constexpr std::string_view kOrderedDictionary = "collections OrderedDict";
constexpr std::string_view kTorch = "torch ";
constexpr std::array<std::string_view, 13> kGlobals = {
    kRebuildTensor,      kRebuildParameter,       kOrderedDictionary,    "torch FloatStorage",
    "torch HalfStorage", "torch BFloat16Storage", "torch DoubleStorage", "torch LongStorage",
    "torch IntStorage",  "torch ShortStorage",    "torch CharStorage",   "torch ByteStorage",
    "torch BoolStorage"};
constexpr std::array<std::string_view, 3> kWithin = {"state_dict", "model_state_dict", "model"};

Value text_value(std::string_view text, Kind kind = Kind::kText) {
  Value value;
  value.kind = kind;
  value.text = text;
  return value;
}

Value number_value(int64_t number) {
  Value value;
  value.kind = Kind::kNumber;
  value.number = number;
  return value;
}

/// Python's pickle machine, of the opcodes that a state_dict needs.
class Machine {
 public:
  Machine(std::string_view bytes, std::string place) : bytes_(bytes), place_(std::move(place)) {}

  Value run() {
    while (true) {
      const auto opcode = static_cast<uint8_t>(take(1)[0]);
      if (opcode == '.') return pop();
      step(opcode);
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(fmt::format("{}: {}", place_, what));
  }

 private:
  std::string_view take(size_t count) {
    if (count > bytes_.size() - at_) fail("the pickle ends early");
    const std::string_view part = bytes_.substr(at_, count);
    at_ += count;
    return part;
  }

  /// A little-endian number without sign.
  template <typename T>
  T number() {
    static_assert(std::endian::native == std::endian::little);
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("the pickle ends early");
    const std::string_view text = take(end - at_);
    take(1);
    return text;
  }

  void push(const Value& value) { stack_.push_back(value); }

  void push_items(Kind kind, Value::Items items = {}) {
    Value value;
    value.kind = kind;
    value.items = &made_.emplace_back(std::move(items));
    push(value);
  }

  Value pop() {
    const size_t least = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() <= least) fail("the pickle takes more than it has");
    const Value value = stack_.back();
    stack_.pop_back();
    return value;
  }

  /// What lies above the last mark.
  Value::Items pop_to_mark() {
    if (marks_.empty()) fail("the pickle has no mark where one is needed");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    Value::Items items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  const Value& top(Kind kind) const {
    const size_t least = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() <= least || stack_.back().kind != kind) fail("the pickle adds to what holds nothing");
    return stack_.back();
  }

  void add(Kind kind, const Value::Items& items) {
    const Value& to = top(kind);
    if (kind == Kind::kDictionary && items.size() % 2 != 0) fail("the pickle has a key without a value");
    to.items->insert(to.items->end(), items.begin(), items.end());
  }

  Value::Items pop_some(size_t count) {
    Value::Items items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  void remember(uint32_t key) {
    const Value value = pop();
    memo_[key] = value;
    push(value);
  }

  void recall(uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail("the pickle recalls what it has not seen");
    push(found->second);
  }

  void global(std::string_view module, std::string_view name) {
    const auto known = std::find(kGlobals.begin(), kGlobals.end(), fmt::format("{} {}", module, name));
    if (known == kGlobals.end())
      fail(fmt::format("the pickle names {}.{}, expected what a state_dict needs", module, name));
    push(text_value(*known, Kind::kGlobal));
  }

  /// ("storage", class, file, device, size)
  void storage() {
    const Value id = pop();
    const bool valid = id.kind == Kind::kList && id.items->size() == 5 &&
                       (*id.items)[0].kind == Kind::kText && (*id.items)[0].text == "storage" &&
                       (*id.items)[1].kind == Kind::kGlobal && (*id.items)[1].text.starts_with(kTorch) &&
                       (*id.items)[2].kind == Kind::kText;
    if (!valid) fail("the pickle has a storage that is none");
    Value value = text_value((*id.items)[2].text, Kind::kStorage);
    value.type = (*id.items)[1].text.substr(kTorch.size());
    push(value);
  }

  void reduce() {
    const Value arguments = pop(), called = pop();
    if (called.kind != Kind::kGlobal || arguments.kind != Kind::kList)
      fail("the pickle calls what is no name");
    if (called.text == kOrderedDictionary && arguments.items->empty()) {
      push_items(Kind::kDictionary);
    } else if (called.text == kRebuildTensor && arguments.items->size() >= 4) {
      Value tensor = arguments;
      tensor.kind = Kind::kTensor;
      push(tensor);
    } else if (called.text == kRebuildParameter && !arguments.items->empty() &&
               arguments.items->front().kind == Kind::kTensor) {
      push(arguments.items->front());
    } else {
      fail(fmt::format("the pickle calls {} with other arguments than torch.save writes", called.text));
    }
  }

  /// A long of few bytes; sizes need no more.
  void short_long() {
    const auto count = number<uint8_t>();
    if (count > 8) fail("the pickle has a number of more than 64 bits");
    const std::string_view bytes = take(count);
    uint64_t value = count > 0 && (bytes.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    push(number_value(static_cast<int64_t>(value)));
  }

  void step(uint8_t opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        take(1);
        break;
      case 0x95:  // FRAME
        take(8);
        break;
      case '}':
        push_items(Kind::kDictionary);
        break;
      case ']':
      case ')':
        push_items(Kind::kList);
        break;
      case '(':
        marks_.push_back(stack_.size());
        break;
      case 't':
        push_items(Kind::kList, pop_to_mark());
        break;
      case 0x85:
      case 0x86:
      case 0x87:
        push_items(Kind::kList, pop_some(opcode - 0x84U));
        break;
      case 'a':
        add(Kind::kList, pop_some(1));
        break;
      case 'e':
        add(Kind::kList, pop_to_mark());
        break;
      case 's':
        add(Kind::kDictionary, pop_some(2));
        break;
      case 'u':
        add(Kind::kDictionary, pop_to_mark());
        break;
      case 'c': {
        const std::string_view module = line();
        global(module, line());
        break;
      }
      case 0x93: {  // STACK_GLOBAL
        const Value name = pop(), module = pop();
        global(module.text, name.text);
        break;
      }
      case 'Q':
        storage();
        break;
      case 'R':
        reduce();
        break;
      case 'b':  // what torch.save notes beside an OrderedDict
        pop();
        top(Kind::kDictionary);
        break;
      default:
        step_of_a_value(opcode);
    }
  }

  void step_of_a_value(uint8_t opcode) {
    switch (opcode) {
      case 'X':
        push(text_value(take(number<uint32_t>())));
        break;
      case 0x8c:
        push(text_value(take(number<uint8_t>())));
        break;
      case 'J':
        push(number_value(number<int32_t>()));
        break;
      case 'K':
        push(number_value(number<uint8_t>()));
        break;
      case 'M':
        push(number_value(number<uint16_t>()));
        break;
      case 0x8a:
        short_long();
        break;
      case 'G':  // a float, which no tensor needs
        take(8);
        push({});
        break;
      case 'N':
      case 0x88:
      case 0x89:
        push({});
        break;
      case 'q':
        remember(number<uint8_t>());
        break;
      case 'r':
        remember(number<uint32_t>());
        break;
      case 0x94:  // MEMOIZE
        remember(static_cast<uint32_t>(memo_.size()));
        break;
      case 'h':
        recall(number<uint8_t>());
        break;
      case 'j':
        recall(number<uint32_t>());
        break;
      default:
        fail(fmt::format("the pickle has the opcode 0x{:02x} at byte {}, expected those of a state_dict",
                         opcode, at_ - 1));
    }
  }

  std::string_view bytes_;
  std::string place_;
  size_t at_ = 0;
  std::vector<Value> stack_;
  std::vector<size_t> marks_;
  std::map<uint32_t, Value> memo_;
  std::deque<Value::Items> made_;
};

std::vector<int64_t> sizes(const Machine& machine, const Value& value) {
  std::vector<int64_t> numbers;
  if (value.kind != Kind::kList) machine.fail("the pickle has a tensor without sizes");
  for (const Value& each : *value.items) {
    if (each.kind != Kind::kNumber || each.number < 0) machine.fail("the pickle has a size that is none");
    numbers.push_back(each.number);
  }
  return numbers;
}

PickledTensor tensor_of(const Machine& machine, std::string_view name, const Value& value) {
  const Value::Items& from = *value.items;
  if (from[0].kind != Kind::kStorage || from[1].kind != Kind::kNumber || from[1].number < 0)
    machine.fail(fmt::format("the pickle has a tensor \"{}\" without a storage", name));
  PickledTensor tensor{std::string(name), std::string(from[0].text), std::string(from[0].type),
                       from[1].number,    sizes(machine, from[2]),   sizes(machine, from[3])};
  if (tensor.shape.size() != tensor.strides.size())
    machine.fail(fmt::format("the pickle has a tensor \"{}\" of {} sizes and {} strides", name,
                             tensor.shape.size(), tensor.strides.size()));
  return tensor;
}

/// The dictionary that holds the tensors, and its name within the outer one.
std::pair<const Value*, std::string> state_of(const Value& outer) {
  if (outer.kind != Kind::kDictionary) return {&outer, ""};
  for (const std::string_view name : kWithin) {
    for (size_t i = 0; i + 1 < outer.items->size(); i += 2) {
      const Value &key = (*outer.items)[i], &value = (*outer.items)[i + 1];
      if (key.kind == Kind::kText && key.text == name && value.kind == Kind::kDictionary)
        return {&value, std::string(name)};
    }
  }
  return {&outer, ""};
}

}  // namespace

PickledState read_state_pickle(std::string_view bytes, const std::string& place) {
  Machine machine(bytes, place);
  const Value outer = machine.run();
  const auto [found, within] = state_of(outer);
  if (found->kind != Kind::kDictionary) machine.fail("the pickle is no dictionary, expected a state_dict");
  PickledState state;
  state.within = within;
  std::set<std::string_view> names;
  for (size_t i = 0; i + 1 < found->items->size(); i += 2) {
    const Value &key = (*found->items)[i], &value = (*found->items)[i + 1];
    if (key.kind != Kind::kText) machine.fail("the pickle has a key that is no text, expected a state_dict");
    if (value.kind != Kind::kTensor) {
      state.left_out.emplace_back(key.text);
    } else if (names.insert(key.text).second) {
      state.tensors.push_back(tensor_of(machine, key.text, value));
    } else {
      machine.fail(fmt::format("the pickle has the tensor \"{}\" twice", key.text));
    }
  }
  if (state.tensors.empty()) machine.fail("the pickle holds no tensors, expected a state_dict");
  return state;
}

}  // namespace normgraft
