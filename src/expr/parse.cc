#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "normgraft/core/error.h"
#include "normgraft/expr/expression.h"

namespace normgraft {
namespace {

constexpr size_t kMaxNodes = 10'000;
constexpr int kMaxNesting = 1'000;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_function(const Primitive& p) {
  return p.arity > 0 && is_letter(p.name.front()) && p.op != Op::kNeg;
}

std::string function_names() {
  std::vector<std::string_view> names;
  for (const Primitive& p : primitives()) {
    if (is_function(p)) names.push_back(p.name);
  }
  std::sort(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, ", "));
}

/// The text as an error shows it: one line, cut around `position` when long.
std::string excerpt(std::string_view text, size_t position) {
  constexpr size_t kSide = 40;
  const size_t begin = position > kSide ? position - kSide : 0;
  std::string shown(text.substr(begin, 2 * kSide));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return fmt::format("{}{}{}", begin > 0 ? "..." : "", shown, begin + 2 * kSide < text.size() ? "..." : "");
}

/// Recursive descent:
///   sum     = product { (+|-) product }
///   product = signed { (*|/) signed }
///   signed  = - signed | atom          (a minus right before a number belongs to the number)
///   atom    = number | x | r | ( sum ) | function ( sum {, sum} )
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Expression parse() {
    sum();
    if (peek() != '\0' || at_ < text_.size()) fail("an operator or the end");
    return Expression(std::move(program_));
  }

 private:
  [[noreturn]] void fail_at(size_t position, const std::string& what) const {
    throw InputError(
        fmt::format("expression \"{}\": column {}: {}", excerpt(text_, position), position + 1, what));
  }

  [[noreturn]] void fail(std::string_view expected) const {
    const std::string found =
        at_ < text_.size() ? fmt::format("\"{}\"", excerpt(text_.substr(at_, 1), 0)) : "the end";
    fail_at(at_, fmt::format("found {}, expected {}", found, expected));
  }

  /// The next character that is no space; '\0' at the end.
  char peek() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail(fmt::format("\"{}\"", c));
  }

  void emit(Op op, float c0 = 0, float c1 = 0) {
    if (program_.size() == kMaxNodes) {
      fail_at(at_, fmt::format("too long, expected at most {} nodes", kMaxNodes));
    }
    program_.push_back({op, {c0, c1}});
  }

  void sum() {
    product();
    for (char c = peek(); c == '+' || c == '-'; c = peek()) {
      ++at_;
      product();
      emit(c == '+' ? Op::kAdd : Op::kSub);
    }
  }

  void product() {
    signed_atom();
    for (char c = peek(); c == '*' || c == '/'; c = peek()) {
      ++at_;
      signed_atom();
      emit(c == '*' ? Op::kMul : Op::kDiv);
    }
  }

  void signed_atom() {
    size_t minuses = 0;
    while (accept('-')) ++minuses;
    const bool number_next = starts_number();
    if (number_next) {
      emit(Op::kConstant, minuses > 0 ? -number() : number());
      if (minuses > 0) --minuses;
    } else {
      atom();
    }
    for (; minuses > 0; --minuses) emit(Op::kNeg);
  }

  void atom() {
    if (++nesting_ > kMaxNesting) {
      fail_at(at_, fmt::format("nested too deeply, expected at most {} levels", kMaxNesting));
    }
    if (accept('(')) {
      sum();
      expect(')');
    } else if (is_letter(peek())) {
      name();
    } else {
      fail("a number, x, r, a function or \"(\"");
    }
    --nesting_;
  }

  void name() {
    const size_t start = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    const std::string_view word = text_.substr(start, at_ - start);
    const std::optional<Op> op = find_primitive(word);
    if (op && is_variable(*op)) return emit(*op);
    if (!op || !is_function(primitive(*op))) {
      const std::string_view kind = peek() == '(' ? "function" : "name";
      const std::string_view also = peek() == '(' ? "" : "x, r or ";
      fail_at(start, fmt::format("unknown {} \"{}\", expected {}one of {}", kind, excerpt(word, 0), also,
                                 function_names()));
    }
    call(*op);
  }

  void call(Op op) {
    expect('(');
    sum();
    for (int k = 1; k < primitive(op).arity; ++k) {
      expect(',');
      sum();
    }
    float bounds[2] = {0, 0};
    if (op == Op::kClip) clip_bounds(bounds);
    expect(')');
    emit(op, bounds[0], bounds[1]);
  }

  void clip_bounds(float* bounds) {
    size_t start = at_;
    for (int k = 0; k < 2; ++k) {
      expect(',');
      peek();
      if (k == 0) start = at_;
      const bool negative = accept('-');
      if (!starts_number()) fail("a number");
      bounds[k] = negative ? -number() : number();
    }
    if (bounds[0] > bounds[1]) {
      fail_at(start, fmt::format("clip has bounds {} > {}, expected low <= high", bounds[0], bounds[1]));
    }
  }

  bool starts_number() {
    const char c = peek();
    return is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]));
  }

  float number() {
    float value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    const std::string_view digits(begin, static_cast<size_t>(end - begin));
    if (error != std::errc() || !std::isfinite(value)) {
      fail_at(at_,
              fmt::format(
                  "{} is outside the range of float, expected at most 3.4e38 and at least 1.4e-45 in size",
                  excerpt(digits, 0)));
    }
    at_ += digits.size();
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
  int nesting_ = 0;
  std::vector<Instruction> program_;
};

}  // namespace

Expression Expression::parse(std::string_view text) {
  return Parser(text).parse();
}

}  // namespace normgraft
