#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "codecs.h"

namespace normgraft {
namespace {

/// Takes a PNM apart from front to back.
class Reader {
 public:
  Reader(std::string_view rest, const Path& path) : rest_(rest), path_(path) {}

  /// A number between white space and comments; in the header it ends with one of them, which is taken too.
  int64_t number(bool in_header) {
    skip_space();
    int64_t value = 0;
    size_t digits = 0;
    for (; digits < rest_.size() && is_digit(rest_[digits]); ++digits) {
      value = value * 10 + (rest_[digits] - '0');
      if (value > 1'000'000'000) throw damaged("a number is too large");
    }
    if (digits == 0) throw rest_.empty() ? ends_early() : damaged("a number is missing");
    rest_.remove_prefix(digits);
    const bool ended = rest_.empty() ? !in_header : is_space(rest_[0]) || rest_[0] == '#';
    if (!ended) throw rest_.empty() ? ends_early() : damaged("a number is not followed by white space");
    if (in_header) skip_one();
    return value;
  }

  /// 0 or 1, which need no space between them.
  int digit() {
    skip_space();
    if (rest_.empty()) throw ends_early();
    const char c = rest_[0];
    if (c != '0' && c != '1') throw damaged("a bit is neither 0 nor 1");
    rest_.remove_prefix(1);
    return c - '0';
  }

  const uint8_t* bytes(size_t count) {
    if (count > rest_.size()) throw ends_early();
    const auto* taken = reinterpret_cast<const uint8_t*>(rest_.data());
    rest_.remove_prefix(count);
    return taken;
  }

  InputError damaged(std::string_view complaint) const { return damaged_picture(path_, complaint); }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  InputError ends_early() const { return damaged("it ends too early"); }

  void skip_one() {
    const bool comment = rest_[0] == '#';
    const size_t end = comment ? std::min(rest_.find_first_of("\r\n"), rest_.size() - 1) : 0;
    rest_.remove_prefix(end + 1);
  }
  void skip_space() {
    while (!rest_.empty() && (is_space(rest_[0]) || rest_[0] == '#')) skip_one();
  }

  std::string_view rest_;
  const Path& path_;
};

struct Kind {
  bool is_text, is_bits;
  size_t channels;
};

Kind kind_of(char digit) {
  return {digit <= '3', digit == '1' || digit == '4', size_t{digit == '3' || digit == '6' ? 3U : 1U}};
}

/// 1 stands for black. In the binary kind a row is filled up to whole bytes.
void read_bits(Reader& reader, bool is_text, Image& image) {
  const auto width = static_cast<size_t>(image.width);
  for (auto rgb = image.rgb.begin(); rgb != image.rgb.end();) {
    const uint8_t* row = is_text ? nullptr : reader.bytes((width + 7) / 8);
    for (size_t x = 0; x < width; ++x, rgb += 3) {
      const int bit = is_text ? reader.digit() : row[x / 8] >> (7 - x % 8) & 1;
      std::fill_n(rgb, 3, bit == 1 ? 0 : 255);
    }
  }
}

/// Scales to 0 to 255. More than 8 bits of grey are scaled to 16 bits and cut at 255 instead: so does Pillow.
void read_levels(Reader& reader, const Kind& kind, int64_t largest, Image& image) {
  const size_t sample_bytes = largest > 255 ? 2 : 1;
  const double scale = largest > 255 && kind.channels == 1 ? 65535.0 : 255.0;
  for (size_t i = 0; i < image.rgb.size(); i += 3 / kind.channels) {
    int64_t value = 0;
    if (kind.is_text) {
      value = reader.number(false);
    } else {
      const uint8_t* sample = reader.bytes(sample_bytes);
      value = sample_bytes == 2 ? sample[0] * 256 + sample[1] : sample[0];
    }
    if (value > largest)
      throw reader.damaged(fmt::format("a value of {} where {} is the largest", value, largest));
    const double level = std::nearbyint(static_cast<double>(value) / static_cast<double>(largest) * scale);
    std::fill_n(&image.rgb[i], 3 / kind.channels, static_cast<uint8_t>(std::min(level, 255.0)));
  }
}

}  // namespace

Image decode_pnm(const std::string& bytes, const Path& path) {
  const Kind kind = kind_of(bytes[1]);
  Reader reader(std::string_view(bytes).substr(2), path);
  const int64_t width = reader.number(true);
  const int64_t height = reader.number(true);
  const int64_t largest = kind.is_bits ? 1 : reader.number(true);
  if (largest < 1 || largest > 65535) throw reader.damaged(fmt::format("{} as its largest value", largest));
  Image image = blank_image(width, height, path);
  if (kind.is_bits) {
    read_bits(reader, kind.is_text, image);
  } else {
    read_levels(reader, kind, largest, image);
  }
  return image;
}

}  // namespace normgraft
