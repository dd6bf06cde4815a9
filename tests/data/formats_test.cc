#include <tiffio.h>

#include <algorithm>
#include <cmath>

#include "data/pillow.h"

namespace normgraft {
namespace {

constexpr uint32_t kWidth = 37, kHeight = 21;

/// Bytes without a pattern that a wrong stride or order could hide in.
std::string some_bytes(size_t count) {
  std::string bytes(count, '\0');
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>(i * i * 7 + i / 5);
  return bytes;
}

std::string little_endian(uint32_t value, size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

/// A TIFF of a kind that Pillow cannot write.
struct TiffKind {
  uint16_t photometric, bits, samples;
  uint16_t planes = PLANARCONFIG_CONTIG;
  uint16_t orientation = ORIENTATION_TOPLEFT;
  int extra = -1;  ///< what the last sample is; -1: not stated
  bool tiles = false;
  const char* mode = "wl";  ///< of TIFFOpen: b for big-endian, 8 for BigTIFF
  uint16_t sample_format = SAMPLEFORMAT_UINT;
  bool private_tag = false;
};

void write_tiff(const Path& path, const TiffKind& kind) {
  TIFF* tiff = TIFFOpen(path.c_str(), kind.mode);
  ASSERT_NE(tiff, nullptr);
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, kWidth);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, kHeight);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, kind.bits);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, kind.samples);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, kind.photometric);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, kind.planes);
  TIFFSetField(tiff, TIFFTAG_ORIENTATION, kind.orientation);
  TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, kind.sample_format);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_LZW);
  if (kind.private_tag) {
    const TIFFFieldInfo info = {65000, 1, 1, TIFF_SHORT, FIELD_CUSTOM, 1, 0, const_cast<char*>("Private")};
    TIFFMergeFieldInfo(tiff, &info, 1);
    TIFFSetField(tiff, 65000, 7);
  }
  if (kind.extra >= 0) {
    const auto extra = static_cast<uint16_t>(kind.extra);
    TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &extra);
  }
  std::vector<uint16_t> map(size_t{1} << kind.bits);
  for (size_t i = 0; i < map.size(); ++i) map[i] = static_cast<uint16_t>(i * 12345 + 678);
  if (kind.photometric == PHOTOMETRIC_PALETTE) {
    std::vector<uint16_t> reversed(map.rbegin(), map.rend());
    TIFFSetField(tiff, TIFFTAG_COLORMAP, map.data(), reversed.data(), map.data());
  }
  if (kind.tiles) {
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 16);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, 16);
  } else {
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 8);
  }
  const auto size = static_cast<size_t>(kind.tiles ? TIFFTileSize(tiff) : TIFFStripSize(tiff));
  const uint32_t blocks = kind.tiles ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
  std::string bytes = some_bytes(size * blocks);
  for (uint32_t i = 0; i < blocks; ++i) {
    char* block = bytes.data() + i * size;
    const auto count = static_cast<tmsize_t>(size);
    const tmsize_t last = kind.tiles ? count : TIFFVStripSize(tiff, kHeight % 8);
    const bool is_last = (i + 1) % (blocks / (kind.planes == PLANARCONFIG_CONTIG ? 1 : kind.samples)) == 0;
    ASSERT_GT(kind.tiles ? TIFFWriteEncodedTile(tiff, i, block, count)
                         : TIFFWriteEncodedStrip(tiff, i, block, is_last ? last : count),
              0);
  }
  TIFFClose(tiff);
}

/// A BMP; `after_header` are masks, if any, and the palette.
std::string bmp(uint32_t header_bytes, uint32_t bits, uint32_t compression, const std::string& after_header,
                bool top_down = false) {
  std::string header = little_endian(header_bytes, 4);
  if (header_bytes == 12) {
    header +=
        little_endian(kWidth, 2) + little_endian(kHeight, 2) + little_endian(1, 2) + little_endian(bits, 2);
  } else {
    header += little_endian(kWidth, 4) + little_endian(top_down ? 0U - kHeight : kHeight, 4);
    header +=
        little_endian(1, 2) + little_endian(bits, 2) + little_endian(compression, 4) + std::string(20, '\0');
  }
  const std::string pixels = some_bytes((kWidth * bits + 31) / 32 * 4 * kHeight);
  header += after_header;
  if (header.size() < header_bytes) header.resize(header_bytes);
  const auto start = static_cast<uint32_t>(14 + header.size());
  std::string file = "BM";
  file += little_endian(start + static_cast<uint32_t>(pixels.size()), 4) + little_endian(0, 4);
  return file + little_endian(start, 4) + header + pixels;
}

std::string masks(uint32_t red, uint32_t green, uint32_t blue, uint32_t alpha) {
  return little_endian(red, 4) + little_endian(green, 4) + little_endian(blue, 4) + little_endian(alpha, 4);
}

class Formats : public testing::Test {
 protected:
  void add(const std::string& name, const std::string& mode, const Json& more = Json::object()) {
    files_.push_back(folder_ / name);
    pillow_.make(files_.back(), mode, 53, 29, more);
  }
  void add_bytes(const std::string& name, const std::string& content) {
    files_.push_back(folder_ / name);
    write_bytes(files_.back(), content);
  }
  void add_tiff(const std::string& name, const TiffKind& kind) {
    files_.push_back(folder_ / name);
    write_tiff(files_.back(), kind);
  }
  void expect_the_pixels_of_pillow() {
    std::vector<size_t> results;
    for (const Path& file : files_) results.push_back(pillow_.apply("decode", file));
    pillow_.run();
    for (size_t i = 0; i < files_.size(); ++i) {
      expect_same(decode_image(files_[i]), pillow_.result(results[i]), files_[i].filename().string());
    }
  }
  std::string refusal(const std::string& content) {
    write_bytes(folder_ / "refused", content);
    return input_error([&] { decode_image(folder_ / "refused"); });
  }
  std::string tiff_refusal(const TiffKind& kind) {
    write_tiff(folder_ / "refused", kind);
    return input_error([&] { decode_image(folder_ / "refused"); });
  }

  TemporaryFolder folder_;
  Pillow pillow_{folder_};
  std::vector<Path> files_;
};

TEST_F(Formats, WebpGivesThePixelsOfPillow) {
  add("lossy.webp", "RGB", {{"save", {{"quality", 75}}}});
  add("lossless.webp", "RGB", {{"save", {{"lossless", true}}}});
  add("alpha.webp", "RGBA", {{"save", {{"quality", 60}}}});
  add("lossless-alpha.webp", "RGBA", {{"save", {{"lossless", true}}}});
  add("animated.webp", "RGB", {{"frames", 3}});
  expect_the_pixels_of_pillow();
}

TEST_F(Formats, BmpGivesThePixelsOfPillow) {
  add("rgb.bmp", "RGB");
  add("rgba.bmp", "RGBA");
  add("grey.bmp", "L");
  add("bits.bmp", "1");
  add("palette.bmp", "P", {{"colors", 256}});
  add_bytes("top-down.bmp", bmp(40, 24, 0, "", true));
  add_bytes("old.bmp", bmp(12, 24, 0, ""));
  add_bytes("old-palette.bmp", bmp(12, 8, 0, some_bytes(256 * 3)));
  add_bytes("16.bmp", bmp(40, 16, 0, ""));
  add_bytes("16-masks.bmp", bmp(40, 16, 3, masks(0xf800, 0x7e0, 0x1f, 0).substr(0, 12)));
  add_bytes("32.bmp", bmp(40, 32, 0, ""));
  add_bytes("32-masks.bmp", bmp(108, 32, 3, masks(0xff, 0xff00, 0xff0000, 0xff000000)));
  add_bytes("32-high-masks.bmp", bmp(124, 32, 3, masks(0xff000000, 0xff0000, 0xff00, 0xff)));
  add_bytes("palette-4.bmp", bmp(40, 4, 0, some_bytes(16 * 4)));
  add_bytes("palette-1.bmp", bmp(64, 1, 0, std::string(24, '\0') + some_bytes(2 * 4)));
  expect_the_pixels_of_pillow();
}

TEST_F(Formats, PnmGivesThePixelsOfPillow) {
  add("rgb.ppm", "RGB");
  add("grey.pgm", "L");
  add("bits.pbm", "1");
  add_bytes("deep.pgm", "P5 37 21 65535\n" + some_bytes(37 * 21 * 2));
  add_bytes("deep.ppm", "P6\n# made\n37 # wide\n21\n65535\n" + some_bytes(37 * 21 * 6));
  std::string small = some_bytes(37 * 21 * 3);
  for (char& c : small) c = static_cast<char>(static_cast<uint8_t>(c) % 101);
  add_bytes("small.ppm", "P6 37 21 100\n" + small);
  add_bytes("small.pgm", "P5\n37 63\n100\t" + small);
  add_bytes("text.pbm", "P1\n4 2\n10 11# a row\n0 1 0 0");
  add_bytes("text.pgm", "P2 3 2 9\n0 1 2 # more\n 3 8 9");
  add_bytes("text.ppm", "P3 2 1 255 0 128 255 3\n4\t5\n");
  add_bytes("text-deep.pgm", "P2 3 1 999 0 4 999 ");
  expect_the_pixels_of_pillow();
}

TEST_F(Formats, TiffGivesThePixelsOfPillowForWhatPillowWrites) {
  add("rgb.tif", "RGB");
  add("rgba.tif", "RGBA");
  add("grey.tif", "L");
  add("grey-alpha.tif", "LA");
  add("bits.tif", "1");
  add("palette.tif", "P", {{"colors", 200}});
  add("cmyk.tif", "CMYK");
  add("grey-16.tif", "I;16");
  for (const char* compression : {"tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"}) {
    add(std::string(compression) + ".tif", "RGB", {{"save", {{"compression", compression}}}});
  }
  add("jpeg-grey.tif", "L", {{"save", {{"compression", "jpeg"}}}});
  for (const char* compression : {"group3", "group4"}) {
    add(std::string(compression) + ".tif", "1", {{"save", {{"compression", compression}}}});
  }
  add("pages.tif", "RGB", {{"frames", 2}});
  expect_the_pixels_of_pillow();
}

TEST_F(Formats, TiffGivesThePixelsOfPillowForOtherLayouts) {
  constexpr uint16_t kWhite = PHOTOMETRIC_MINISWHITE, kBlack = PHOTOMETRIC_MINISBLACK, kRgb = PHOTOMETRIC_RGB,
                     kPalette = PHOTOMETRIC_PALETTE, kInks = PHOTOMETRIC_SEPARATED;
  for (const uint16_t bits : std::initializer_list<uint16_t>{1, 2, 4, 8}) {
    add_tiff(fmt::format("black-{}.tif", bits), {kBlack, bits, 1});
    add_tiff(fmt::format("white-{}.tif", bits), {kWhite, bits, 1});
    add_tiff(fmt::format("palette-{}.tif", bits), {kPalette, bits, 1});
  }
  for (uint16_t orientation = 1; orientation <= 8; ++orientation) {
    add_tiff(fmt::format("orientation-{}.tif", orientation),
             {.photometric = kRgb, .bits = 8, .samples = 3, .orientation = orientation});
  }
  add_tiff("tiles.tif", {.photometric = kRgb, .bits = 8, .samples = 3, .tiles = true});
  add_tiff("planes.tif", {.photometric = kRgb, .bits = 8, .samples = 3, .planes = PLANARCONFIG_SEPARATE});
  add_tiff("tiles-planes.tif",
           {.photometric = kRgb, .bits = 8, .samples = 3, .planes = PLANARCONFIG_SEPARATE, .tiles = true});
  add_tiff("tiles-bits.tif", {.photometric = kBlack, .bits = 1, .samples = 1, .tiles = true});
  add_tiff("private-tag.tif", {.photometric = kRgb, .bits = 8, .samples = 3, .private_tag = true});
  add_tiff("big-endian.tif", {.photometric = kRgb, .bits = 16, .samples = 3, .mode = "wb"});
  add_tiff("big.tif", {.photometric = kRgb, .bits = 8, .samples = 3, .mode = "w8"});
  add_tiff("16.tif", {kRgb, 16, 3});
  add_tiff("16-black.tif", {kBlack, 16, 1});
  add_tiff("16-alpha.tif", {.photometric = kRgb, .bits = 16, .samples = 4, .extra = EXTRASAMPLE_UNASSALPHA});
  add_tiff("16-inks.tif", {kInks, 16, 4});
  add_tiff("alpha.tif", {.photometric = kRgb, .bits = 8, .samples = 4, .extra = EXTRASAMPLE_UNASSALPHA});
  add_tiff("premultiplied.tif",
           {.photometric = kRgb, .bits = 8, .samples = 4, .extra = EXTRASAMPLE_ASSOCALPHA});
  add_tiff("extra.tif", {.photometric = kRgb, .bits = 8, .samples = 4, .extra = EXTRASAMPLE_UNSPECIFIED});
  add_tiff("inks.tif", {kInks, 8, 4});
  add_tiff("inks-extra.tif",
           {.photometric = kInks, .bits = 8, .samples = 5, .extra = EXTRASAMPLE_UNSPECIFIED});
  expect_the_pixels_of_pillow();
}

TEST_F(Formats, WhatIsNotReadIsRefusedByItsKind) {
  EXPECT_TRUE(mentions(refusal(bmp(40, 8, 1, some_bytes(1024))), "BMP compression 1"));
  EXPECT_TRUE(mentions(refusal(bmp(40, 2, 0, some_bytes(16))), "2 bits a pixel"));
  EXPECT_TRUE(mentions(refusal(bmp(16, 8, 0, some_bytes(1024))), "header of 16 bytes"));
  EXPECT_TRUE(mentions(refusal(bmp(40, 32, 3, masks(0x3ff, 0xffc00, 0x3ff00000, 0))), "color mask 3ff"));
  EXPECT_TRUE(mentions(tiff_refusal({.photometric = PHOTOMETRIC_MINISBLACK,
                                     .bits = 32,
                                     .samples = 1,
                                     .sample_format = SAMPLEFORMAT_IEEEFP}),
                       "sample format 3"));
  EXPECT_TRUE(mentions(tiff_refusal({.photometric = PHOTOMETRIC_MINISBLACK, .bits = 32, .samples = 1}),
                       "32 bits a sample"));
  EXPECT_TRUE(mentions(tiff_refusal({.photometric = PHOTOMETRIC_MINISWHITE, .bits = 16, .samples = 1}),
                       "16 bits a sample"));
  EXPECT_TRUE(mentions(tiff_refusal({.photometric = PHOTOMETRIC_CIELAB, .bits = 8, .samples = 3}),
                       "interpretation 8"));
  EXPECT_TRUE(
      mentions(tiff_refusal({.photometric = PHOTOMETRIC_YCBCR, .bits = 8, .samples = 3}), "without JPEG"));
  EXPECT_TRUE(mentions(refusal("GIF89a and more"), "is none"));
  EXPECT_TRUE(mentions(refusal("RIFF\x10\1\1\1WAVEfmt "), "is none"));
}

TEST_F(Formats, WrongNumbersAreRefused) {
  EXPECT_TRUE(mentions(refusal("P2 2 1 9 3 10 "), "a value of 10 where 9 is the largest"));
  EXPECT_TRUE(mentions(refusal("P5 2 1 9\n\1\n"), "a value of 10 where 9"));
  EXPECT_TRUE(mentions(refusal("P1 2 1 1 2"), "neither 0 nor 1"));
  EXPECT_TRUE(mentions(refusal("P5 2 1 0\n\1\1"), "0 as its largest value"));
  EXPECT_TRUE(mentions(refusal("P5 2 1 65536\n\1\1\1\1"), "65536 as its largest value"));
  EXPECT_TRUE(mentions(refusal("P5 2 x 255\n"), "a number is missing"));
  EXPECT_TRUE(mentions(refusal("P5 2 1 255"), "ends too early"));
  EXPECT_TRUE(mentions(refusal("P6 99999999999 1 255\n"), "too large"));
  EXPECT_TRUE(mentions(refusal("P6 20000 20000 255\n"), "20000 x 20000"));
  EXPECT_TRUE(mentions(refusal("P6 0 5 255\n"), "0 x 5"));
  EXPECT_TRUE(
      mentions(refusal(bmp(40, 4, 0, std::string(32, '\0')).replace(46, 1, "\3")), "of 3 in its palette"));
  EXPECT_TRUE(mentions(refusal(bmp(40, 4, 0, some_bytes(64)).replace(46, 1, "\x11")), "17 colors"));
}

TEST_F(Formats, APictureIsRefusedWhereverItEnds) {
  add("lossy.webp", "RGB");
  add("raw.tif", "L");
  add("lzw.tif", "RGB", {{"save", {{"compression", "tiff_lzw"}}}});
  add_tiff("tiles.tif", {.photometric = PHOTOMETRIC_RGB, .bits = 8, .samples = 3, .tiles = true});
  add("grey.pgm", "L");
  add("palette.bmp", "P", {{"colors", 16}});
  add_bytes("text.pgm", "P2 3 2 9\n0 1 2 # more\n 3 8 9");
  pillow_.run();
  for (const Path& file : files_) {
    const std::string whole = read_file(file, "sample");
    for (size_t length = 0; length < whole.size(); length += 1 + whole.size() / 500) {
      EXPECT_TRUE(mentions(refusal(whole.substr(0, length)), "refused")) << file << " " << length;
    }
    EXPECT_TRUE(mentions(refusal(whole.substr(0, whole.size() - 1)), "refused")) << file;
  }
}

}  // namespace
}  // namespace normgraft
