#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "codecs.h"

namespace normgraft {
namespace {

/// The little-endian numbers of a file. What lies behind its end is damage.
class Bytes {
 public:
  Bytes(const std::string& bytes, const Path& path) : bytes_(bytes), path_(path) {}

  const uint8_t* at(size_t position, size_t size) const {
    if (position > bytes_.size() || size > bytes_.size() - position) {
      throw damaged_picture(path_, fmt::format("it ends at byte {}", bytes_.size()));
    }
    return reinterpret_cast<const uint8_t*>(bytes_.data()) + position;
  }
  uint32_t u16(size_t position) const { return read(position, 2); }
  uint32_t u32(size_t position) const { return read(position, 4); }
  int32_t i32(size_t position) const { return static_cast<int32_t>(u32(position)); }

  /// `size` bytes, at most 4.
  uint32_t read(size_t position, size_t size) const {
    const uint8_t* from = at(position, size);
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i) value |= uint32_t{from[i]} << (8 * i);
    return value;
  }

 private:
  const std::string& bytes_;
  const Path& path_;
};

/// One colour of a pixel: how far up its bits are, and the largest value that they hold.
struct Channel {
  int shift;
  uint32_t largest;

  uint8_t level(uint32_t pixel) const {
    return static_cast<uint8_t>((pixel >> shift & largest) * 255 / largest);
  }
};

using Rgb = std::array<uint8_t, 3>;
using Channels = std::array<Channel, 3>;

struct Header {
  int64_t width, height;     ///< negative: the first row is the uppermost
  size_t pixels;             ///< where they begin
  uint32_t bits;             ///< of a pixel
  std::vector<Rgb> palette;  ///< of a pixel of at most 8 bits
  Channels channels;         ///< of a larger one
};

std::vector<Rgb> read_palette(const Bytes& bytes, size_t position, size_t colors, size_t entry_bytes) {
  std::vector<Rgb> palette;
  for (size_t i = 0; i < colors; ++i) {
    const uint8_t* bgr = bytes.at(position + i * entry_bytes, entry_bytes);
    palette.push_back({bgr[2], bgr[1], bgr[0]});
  }
  return palette;
}

/// Nothing unless the bits of the mask are 1 to 8 in a row.
std::optional<Channel> channel(uint32_t mask) {
  if (mask == 0) return std::nullopt;
  Channel found{0, mask};
  for (; (found.largest & 1) == 0; found.largest >>= 1) ++found.shift;
  if (found.largest > 255 || (found.largest & (found.largest + 1)) != 0) return std::nullopt;
  return found;
}

/// The masks of red, green and blue where the file states them, else the usual ones.
Channels read_channels(const Bytes& bytes, uint32_t bits, bool stated, const Path& path) {
  constexpr size_t kMasks = 54;
  std::array<uint32_t, 3> masks{};
  for (size_t c = 0; stated && c < 3; ++c) masks[c] = bytes.u32(kMasks + c * 4);
  if (masks == std::array<uint32_t, 3>{}) {
    masks = bits == 16 ? std::array<uint32_t, 3>{0x7c00, 0x3e0, 0x1f}
                       : std::array<uint32_t, 3>{0xff0000, 0xff00, 0xff};
  }
  Channels channels{};
  for (size_t c = 0; c < 3; ++c) {
    const auto found = channel(masks[c]);
    if (!found)
      throw unsupported_picture(path, fmt::format("a color mask {:x}", masks[c]), "1 to 8 bits in a row");
    channels[c] = *found;
  }
  return channels;
}

Header read_header(const Bytes& bytes, const Path& path) {
  constexpr size_t kStart = 14;
  constexpr uint32_t kRaw = 0, kMasked = 3;
  const uint32_t size = bytes.u32(kStart);
  const bool is_old = size == 12;
  if (!is_old && (size < 40 || size > 124)) {
    throw unsupported_picture(path, fmt::format("a BMP header of {} bytes", size), "12 or 40 to 124");
  }
  Header header{};
  header.pixels = bytes.u32(10);
  header.width = is_old ? int64_t{bytes.u16(18)} : bytes.i32(18);
  header.height = is_old ? int64_t{bytes.u16(20)} : bytes.i32(22);
  header.bits = bytes.u16(is_old ? 24 : 28);
  const uint32_t compression = is_old ? kRaw : bytes.u32(30);
  if (compression != kRaw && compression != kMasked) {
    throw unsupported_picture(path, fmt::format("BMP compression {}", compression), "0 or 3, which are none");
  }
  switch (header.bits) {
    case 1:
    case 4:
    case 8: {
      const uint32_t most = 1U << header.bits;
      const uint32_t stated = is_old ? 0 : bytes.u32(46);
      if (stated > most) throw damaged_picture(path, fmt::format("{} colors in its palette", stated));
      header.palette = read_palette(bytes, kStart + size, stated == 0 ? most : stated, is_old ? 3 : 4);
      break;
    }
    case 16:
    case 24:
    case 32:
      header.channels = read_channels(bytes, header.bits, compression == kMasked, path);
      break;
    default:
      throw unsupported_picture(path, fmt::format("{} bits a pixel", header.bits), "1, 4, 8, 16, 24 or 32");
  }
  return header;
}

void read_indices(const uint8_t* row, const Header& header, size_t width, const Path& path, uint8_t* rgb) {
  for (size_t x = 0; x < width; ++x) {
    const size_t bit = x * header.bits;
    const size_t index = row[bit / 8] >> (8 - header.bits - bit % 8) & ((1U << header.bits) - 1);
    if (index >= header.palette.size()) {
      throw damaged_picture(path, fmt::format("color {} of {} in its palette", index, header.palette.size()));
    }
    std::copy_n(header.palette[index].begin(), 3, rgb + x * 3);
  }
}

}  // namespace

Image decode_bmp(const std::string& content, const Path& path) {
  const Bytes bytes(content, path);
  const Header header = read_header(bytes, path);
  Image image = blank_image(header.width, std::abs(header.height), path);
  const auto width = static_cast<size_t>(image.width), height = static_cast<size_t>(image.height);
  const size_t row_bytes = (width * header.bits + 31) / 32 * 4;
  bytes.at(header.pixels, row_bytes * height);
  for (size_t y = 0; y < height; ++y) {
    const size_t from = header.pixels + y * row_bytes;
    uint8_t* rgb = &image.rgb[(header.height < 0 ? y : height - 1 - y) * width * 3];
    if (!header.palette.empty()) {
      read_indices(bytes.at(from, row_bytes), header, width, path, rgb);
      continue;
    }
    for (size_t x = 0; x < width; ++x) {
      const uint32_t pixel = bytes.read(from + x * header.bits / 8, header.bits / 8);
      for (size_t c = 0; c < 3; ++c) rgb[x * 3 + c] = header.channels[c].level(pixel);
    }
  }
  return image;
}

}  // namespace normgraft
