#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "codecs.h"
#include "tiff_file.h"

namespace normgraft {
namespace {

constexpr int64_t kMaxBlockBytes = int64_t{1} << 30;

/// How pixels are stored: in strips or tiles (blocks), whose planes hold all samples or one.
struct Layout {
  int64_t width, height;
  int64_t block_width, block_height;
  size_t row_bytes;  ///< of a plane of a block
  bool has_tiles;
  uint16_t bits, samples, planes;
  uint16_t photometric;
  bool has_premultiplied_alpha;

  size_t colors() const {
    if (photometric == PHOTOMETRIC_SEPARATED) return 4;
    return photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_YCBCR ? 3 : 1;
  }
};

/// What Pillow reads, less what it does not read rightly or by a decoder that is not worth its risk.
void require_readable(const Layout& layout, uint16_t sample_format, uint16_t compression, const Path& path) {
  const auto require = [&](bool holds, const std::string& what, std::string_view expected) {
    if (!holds) throw unsupported_picture(path, what, expected);
  };
  constexpr std::array kPhotometrics = {PHOTOMETRIC_MINISWHITE, PHOTOMETRIC_MINISBLACK, PHOTOMETRIC_RGB,
                                        PHOTOMETRIC_PALETTE,    PHOTOMETRIC_SEPARATED,  PHOTOMETRIC_YCBCR};
  require(std::count(kPhotometrics.begin(), kPhotometrics.end(), layout.photometric) == 1,
          fmt::format("TIFF photometric interpretation {}", layout.photometric), "0 to 3, 5 or 6");
  require(compression != COMPRESSION_OJPEG, "the obsolete JPEG compression of TIFF", "another one");
  require(sample_format == SAMPLEFORMAT_UINT, fmt::format("TIFF sample format {}", sample_format),
          "1 (unsigned numbers)");
  require(layout.samples >= layout.colors() && layout.samples <= 6,
          fmt::format("{} samples a pixel", layout.samples), fmt::format("{} to 6", layout.colors()));
  const bool is_grey_or_palette = layout.colors() == 1;
  const bool is_small = layout.bits == 1 || layout.bits == 2 || layout.bits == 4;
  const bool is_deep = layout.bits == 16 && layout.photometric != PHOTOMETRIC_MINISWHITE &&
                       layout.photometric != PHOTOMETRIC_PALETTE && layout.photometric != PHOTOMETRIC_YCBCR &&
                       (!is_grey_or_palette || layout.samples == 1);
  require(layout.bits == 8 || is_deep || (is_small && is_grey_or_palette && layout.samples == 1),
          fmt::format("{} bits a sample, {} samples and TIFF photometric interpretation {}", layout.bits,
                      layout.samples, layout.photometric),
          "8 bits; 16 of grey, RGB or CMYK; 1, 2 or 4 of grey or a palette");
  require(layout.photometric != PHOTOMETRIC_YCBCR || (compression == COMPRESSION_JPEG && layout.planes == 1),
          "luminance and chrominance without JPEG compression", "RGB");
}

Layout read_layout(TiffFile& file, const Path& path) {
  Layout layout{};
  layout.width = file.number<uint32_t>(TIFFTAG_IMAGEWIDTH);
  layout.height = file.number<uint32_t>(TIFFTAG_IMAGELENGTH);
  layout.bits = file.number<uint16_t>(TIFFTAG_BITSPERSAMPLE);
  layout.samples = file.number<uint16_t>(TIFFTAG_SAMPLESPERPIXEL);
  layout.photometric = file.number<uint16_t>(TIFFTAG_PHOTOMETRIC);
  layout.planes = file.number<uint16_t>(TIFFTAG_PLANARCONFIG) == PLANARCONFIG_SEPARATE ? layout.samples : 1;
  uint16_t extra_count = 0;
  const uint16_t* extra = nullptr;
  TIFFGetFieldDefaulted(file.get(), TIFFTAG_EXTRASAMPLES, &extra_count, &extra);
  layout.has_premultiplied_alpha =
      layout.photometric == PHOTOMETRIC_RGB && extra_count > 0 && extra[0] == EXTRASAMPLE_ASSOCALPHA;
  const auto compression = file.number<uint16_t>(TIFFTAG_COMPRESSION);
  require_readable(layout, file.number<uint16_t>(TIFFTAG_SAMPLEFORMAT), compression, path);
  if (layout.photometric == PHOTOMETRIC_YCBCR) {
    TIFFSetField(file.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  }
  layout.has_tiles = TIFFIsTiled(file.get()) != 0;
  layout.block_width = layout.has_tiles ? file.number<uint32_t>(TIFFTAG_TILEWIDTH) : layout.width;
  layout.block_height = layout.has_tiles
                            ? file.number<uint32_t>(TIFFTAG_TILELENGTH)
                            : std::min<int64_t>(file.number<uint32_t>(TIFFTAG_ROWSPERSTRIP), layout.height);
  const tmsize_t row = layout.has_tiles ? TIFFTileRowSize(file.get()) : TIFFScanlineSize(file.get());
  const int64_t row_samples = layout.block_width * (layout.planes == 1 ? layout.samples : 1);
  if (layout.block_height < 1 || row < (row_samples * layout.bits + 7) / 8 ||
      row > kMaxBlockBytes / layout.block_height / layout.planes) {
    throw damaged_picture(path,
                          fmt::format("blocks of {} x {} pixels", layout.block_width, layout.block_height));
  }
  layout.row_bytes = static_cast<size_t>(row);
  return layout;
}

/// The planes of one block.
class Block {
 public:
  explicit Block(const Layout& layout)
      : layout_(layout),
        plane_bytes_(layout.row_bytes * static_cast<size_t>(layout.block_height)),
        bytes_(plane_bytes_ * layout.planes) {}

  /// The block whose first pixel is (x, y); the last strip ends with the picture.
  void read(TiffFile& file, int64_t x, int64_t y) {
    const int64_t rows =
        layout_.has_tiles ? layout_.block_height : std::min(layout_.block_height, layout_.height - y);
    const size_t size = layout_.row_bytes * static_cast<size_t>(rows);
    for (uint16_t plane = 0; plane < layout_.planes; ++plane) {
      file.read_block(static_cast<uint32_t>(x), static_cast<uint32_t>(y), plane,
                      bytes_.data() + plane * plane_bytes_, static_cast<tmsize_t>(size));
    }
  }

  int sample(size_t x, size_t y, size_t s) const {
    const uint8_t* row = bytes_.data() + y * layout_.row_bytes + (layout_.planes == 1 ? 0 : s * plane_bytes_);
    const size_t index = layout_.planes == 1 ? x * layout_.samples + s : x;
    if (layout_.bits == 8) return row[index];
    if (layout_.bits == 16) {
      uint16_t value = 0;
      std::memcpy(&value, row + index * 2, 2);
      return value;
    }
    const size_t bit = index * layout_.bits;
    return row[bit / 8] >> (8U - layout_.bits - bit % 8) & ((1 << layout_.bits) - 1);
  }

 private:
  const Layout& layout_;
  size_t plane_bytes_;
  std::vector<uint8_t> bytes_;
};

/// Turns samples into RGB.
class Colors {
 public:
  Colors(TiffFile& file, const Layout& layout, const Path& path) : layout_(layout) {
    const bool has_palette = layout.photometric == PHOTOMETRIC_PALETTE;
    if (has_palette && TIFFGetField(file.get(), TIFFTAG_COLORMAP, &map_[0], &map_[1], &map_[2]) == 0) {
      throw damaged_picture(path, "its palette is missing");
    }
  }

  void convert(const Block& block, size_t x, size_t y, uint8_t* rgb) const {
    if (layout_.colors() == 1) {
      const int value = block.sample(x, y, 0);
      for (size_t c = 0; c < 3; ++c) rgb[c] = map_[c] != nullptr ? high_byte(map_[c][value]) : grey(value);
      return;
    }
    std::array<uint8_t, 4> levels{};
    const size_t used = layout_.has_premultiplied_alpha ? 4 : layout_.colors();
    for (size_t s = 0; s < used; ++s) {
      const int value = block.sample(x, y, s);
      levels[s] = layout_.bits == 16 ? high_byte(value) : static_cast<uint8_t>(value);
    }
    if (layout_.photometric == PHOTOMETRIC_SEPARATED) {
      inks_to_rgb(levels.data(), rgb);
    } else {
      for (size_t c = 0; c < 3; ++c)
        rgb[c] = layout_.has_premultiplied_alpha ? over(levels[c], levels[3]) : levels[c];
    }
  }

 private:
  static uint8_t high_byte(int value) { return static_cast<uint8_t>(value >> 8); }

  /// 16 bits are cut at 255, not scaled: so does Pillow, and networks were trained on that.
  uint8_t grey(int value) const {
    if (layout_.bits == 16) return static_cast<uint8_t>(std::min(value, 255));
    const int level = value * 255 / ((1 << layout_.bits) - 1);
    return static_cast<uint8_t>(layout_.photometric == PHOTOMETRIC_MINISWHITE ? 255 - level : level);
  }

  /// The level before it was multiplied by its alpha; black where nothing is left of it.
  static uint8_t over(int level, int alpha) {
    return static_cast<uint8_t>(alpha == 0 ? 0 : std::min(255 * level / alpha, 255));
  }

  const Layout& layout_;
  std::array<const uint16_t*, 3> map_{};
};

/// The picture as it is to be seen, for the orientations 1 to 8 of TIFF.
Image upright(Image image, uint16_t orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image turned{image.width, image.height, {}};
  if (transposed) std::swap(turned.width, turned.height);
  turned.rgb.reserve(image.rgb.size());
  for (int y = 0; y < turned.height; ++y) {
    for (int x = 0; x < turned.width; ++x) {
      auto [from_x, from_y] = transposed ? std::pair(y, x) : std::pair(x, y);
      if (from_right) from_x = image.width - 1 - from_x;
      if (from_below) from_y = image.height - 1 - from_y;
      const auto from = image.rgb.begin() + (int64_t{from_y} * image.width + from_x) * 3;
      turned.rgb.insert(turned.rgb.end(), from, from + 3);
    }
  }
  return turned;
}

}  // namespace

Image decode_tiff(const std::string& bytes, const Path& path) {
  TiffFile file(bytes, path);
  Image image = blank_image(file.number<uint32_t>(TIFFTAG_IMAGEWIDTH),
                            file.number<uint32_t>(TIFFTAG_IMAGELENGTH), path);
  const Layout layout = read_layout(file, path);
  const Colors colors(file, layout, path);
  Block block(layout);
  for (int64_t top = 0; top < layout.height; top += layout.block_height) {
    for (int64_t left = 0; left < layout.width; left += layout.block_width) {
      block.read(file, left, top);
      const int64_t bottom = std::min(top + layout.block_height, layout.height);
      const int64_t right = std::min(left + layout.block_width, layout.width);
      for (int64_t y = top; y < bottom; ++y) {
        for (int64_t x = left; x < right; ++x) {
          colors.convert(block, static_cast<size_t>(x - left), static_cast<size_t>(y - top),
                         &image.rgb[static_cast<size_t>(y * layout.width + x) * 3]);
        }
      }
    }
  }
  return upright(std::move(image), file.number<uint16_t>(TIFFTAG_ORIENTATION));
}

}  // namespace normgraft
