#include <spng.h>

#include <cmath>
#include <cstdio>
// The header of libjpeg needs what is above.
#include <jpeglib.h>

#include "data/pillow.h"

namespace normgraft {
namespace {

void expect_decodes_as_pillow(Pillow& pillow, const std::vector<Path>& files) {
  std::vector<size_t> results;
  for (const Path& file : files) results.push_back(pillow.apply("decode", file));
  pillow.run();
  for (size_t i = 0; i < files.size(); ++i) {
    expect_same(decode_image(files[i]), pillow.result(results[i]), files[i].filename().string());
  }
}

/// A PNG of a kind that Pillow cannot write.
void write_unusual_png(const Path& path, int color_type, int bit_depth, int channels, bool interlaced) {
  constexpr uint32_t kWidth = 37, kHeight = 21;
  std::vector<uint8_t> samples(kWidth * kHeight * static_cast<size_t>(channels * bit_depth / 8));
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<uint8_t>(i * i * 7 + i / 5);
  spng_ctx* context = spng_ctx_new(SPNG_CTX_ENCODER);
  spng_ihdr header{kWidth,
                   kHeight,
                   static_cast<uint8_t>(bit_depth),
                   static_cast<uint8_t>(color_type),
                   0,
                   0,
                   static_cast<uint8_t>(interlaced ? SPNG_INTERLACE_ADAM7 : SPNG_INTERLACE_NONE)};
  spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1);
  spng_set_ihdr(context, &header);
  ASSERT_EQ(spng_encode_image(context, samples.data(), samples.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE),
            0);
  size_t size = 0;
  int error = 0;
  void* png = spng_get_png_buffer(context, &size, &error);
  write_bytes(path, std::string_view(static_cast<const char*>(png), size));
  std::free(png);
  spng_ctx_free(context);
}

using Samples = std::vector<uint8_t>;

Samples waves(size_t count) {
  Samples samples(count);
  for (size_t i = 0; i < count; ++i) {
    const double x = static_cast<double>(i) / (20.0 + static_cast<double>(i % 4));
    samples[i] = static_cast<uint8_t>(128 + 127 * std::sin(x));
  }
  return samples;
}

/// A JPEG of a kind that Pillow cannot write. `set_up` is called before the pixels are compressed.
template <class SetUp>
std::string unusual_jpeg(int channels, J_COLOR_SPACE space, SetUp set_up) {
  constexpr unsigned kWidth = 45, kHeight = 33;
  Samples samples = waves(kWidth * kHeight * static_cast<size_t>(channels));
  jpeg_compress_struct codec{};
  jpeg_error_mgr errors{};
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* content = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&codec, &content, &size);
  codec.image_width = kWidth;
  codec.image_height = kHeight;
  codec.input_components = channels;
  codec.in_color_space = space;
  jpeg_set_defaults(&codec);
  set_up(codec);
  jpeg_start_compress(&codec, TRUE);
  for (size_t y = 0; y < kHeight; ++y) {
    JSAMPROW row = &samples[y * kWidth * static_cast<size_t>(channels)];
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  std::string jpeg(reinterpret_cast<const char*>(content), size);
  std::free(content);
  jpeg_destroy_compress(&codec);
  return jpeg;
}

/// A four-ink JPEG stored as luminance, chrominance and black, which is halved in size.
std::string ycck_jpeg() {
  return unusual_jpeg(4, JCS_CMYK, [](jpeg_compress_struct& codec) {
    jpeg_set_colorspace(&codec, JCS_YCCK);
    codec.comp_info[0].h_samp_factor = codec.comp_info[0].v_samp_factor = 2;
    codec.comp_info[3].h_samp_factor = codec.comp_info[3].v_samp_factor = 2;
  });
}

/// A JPEG of which each colour has a scan of its own.
std::string jpeg_of_three_scans() {
  static const jpeg_scan_info kScans[] = {
      {1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
  return unusual_jpeg(3, JCS_RGB, [](jpeg_compress_struct& codec) {
    codec.scan_info = kScans;
    codec.num_scans = 3;
  });
}

/// The JPEG with its end put before the scan of this number.
std::string without_scans_from(const std::string& jpeg, int number) {
  size_t scan = 0;
  for (int i = 0; i <= number; ++i) scan = jpeg.find("\xff\xda", scan + 1);
  return scan == std::string::npos ? "" : jpeg.substr(0, scan) + "\xff\xd9";
}

class Decode : public testing::Test {
 protected:
  /// The bytes of a JPEG of some tens of kilobytes.
  std::string sample_jpeg() {
    pillow_.make(folder_ / "sample.jpg", "RGB", 320, 200);
    pillow_.run();
    return read_file(folder_ / "sample.jpg", "sample");
  }

  TemporaryFolder folder_;
  Pillow pillow_{folder_};
};

TEST_F(Decode, GivesThePixelsOfPillowForEveryKindOfJpeg) {
  std::vector<Path> files;
  const auto add = [&](const std::string& name, const std::string& mode, int width, int height,
                       const Json& save) {
    files.push_back(folder_ / name);
    pillow_.make(files.back(), mode, width, height, {{"save", save}});
  };
  add("420.jpg", "RGB", 121, 75, {{"quality", 70}, {"subsampling", 2}});
  add("422.jpg", "RGB", 64, 47, {{"quality", 90}, {"subsampling", 1}});
  add("444.jpg", "RGB", 33, 64, {{"quality", 95}, {"subsampling", 0}});
  add("progressive.jpg", "RGB", 200, 150, {{"progressive", true}});
  add("one-pixel.jpg", "RGB", 1, 1, Json::object());
  add("grey.jpg", "L", 77, 40, Json::object());
  add("cmyk.jpg", "CMYK", 50, 41, {{"quality", 85}});
  for (const auto& [name, jpeg] :
       {std::pair("ycck.jpg", ycck_jpeg()), {"scans.jpg", jpeg_of_three_scans()}}) {
    write_bytes(folder_ / name, jpeg);
    files.push_back(folder_ / name);
  }
  expect_decodes_as_pillow(pillow_, files);
}

TEST_F(Decode, GivesThePixelsOfPillowForEveryKindOfPng) {
  std::vector<Path> files;
  const auto add = [&](const std::string& name, const std::string& mode, const Json& more = Json::object()) {
    files.push_back(folder_ / name);
    pillow_.make(files.back(), mode, 53, 29, more);
  };
  add("rgb.png", "RGB");
  add("rgba.png", "RGBA");
  add("grey.png", "L");
  add("grey-alpha.png", "LA");
  add("bilevel.png", "1");
  add("palette.png", "P", {{"colors", 200}});
  add("palette-2-bits.png", "P", {{"colors", 4}, {"save", {{"bits", 2}}}});
  add("palette-transparent.png", "P", {{"colors", 16}, {"save", {{"transparency", 3}}}});
  add("grey-16.png", "I;16");
  const auto add_unusual = [&](const std::string& name, int color_type, int bit_depth, int channels,
                               bool interlaced) {
    files.push_back(folder_ / name);
    write_unusual_png(files.back(), color_type, bit_depth, channels, interlaced);
  };
  add_unusual("rgb-16.png", SPNG_COLOR_TYPE_TRUECOLOR, 16, 3, false);
  add_unusual("rgba-16.png", SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, 16, 4, false);
  add_unusual("grey-alpha-16.png", SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, 16, 2, false);
  add_unusual("interlaced.png", SPNG_COLOR_TYPE_TRUECOLOR, 8, 3, true);
  expect_decodes_as_pillow(pillow_, files);
}

TEST_F(Decode, TellsTheFormatByContentNotByName) {
  pillow_.make(folder_ / "picture.png", "RGB", 20, 10);
  pillow_.run();
  std::filesystem::rename(folder_ / "picture.png", folder_ / "picture.jpg");
  EXPECT_EQ(decode_image(folder_ / "picture.jpg").width, 20);
}

TEST_F(Decode, GivesThePixelsOfPillowForRealPictures) {
  const std::vector<Path> files = real_pictures(25);
  NORMGRAFT_SKIP_WITHOUT(files);
  expect_decodes_as_pillow(pillow_, files);
}

TEST_F(Decode, NamesATruncatedJpegWhereverItEnds) {
  const std::string jpeg = sample_jpeg();
  for (double share : {0.0005, 0.01, 0.03, 0.3, 0.7, 0.95}) {
    const Path file = folder_ / "truncated.jpg";
    write_bytes(file, jpeg.substr(0, 3 + static_cast<size_t>(static_cast<double>(jpeg.size()) * share)));
    EXPECT_TRUE(mentions(input_error([&] { decode_image(file); }), "truncated.jpg")) << share;
  }
  write_bytes(folder_ / "no-end.jpg", jpeg.substr(0, jpeg.size() - 2));
  EXPECT_TRUE(mentions(input_error([&] { decode_image(folder_ / "no-end.jpg"); }), "truncated or damaged"));
}

TEST_F(Decode, NamesADamagedJpeg) {
  std::string jpeg = sample_jpeg();
  for (size_t i = jpeg.size() / 2; i < jpeg.size() / 2 + 400; ++i) jpeg[i] = '\x7f';
  jpeg.replace(jpeg.size() / 2 + 100, 2, "\xff\xd9");
  write_bytes(folder_ / "damaged.jpg", jpeg);
  EXPECT_TRUE(mentions(input_error([&] { decode_image(folder_ / "damaged.jpg"); }), "damaged.jpg"));
}

TEST_F(Decode, RefusesAJpegWhoseLaterScansAreMissingBeforeItsEnd) {
  pillow_.make(folder_ / "progressive.jpg", "RGB", 120, 90, {{"save", {{"progressive", true}}}});
  pillow_.run();
  const std::string progressive = read_file(folder_ / "progressive.jpg", "sample");
  const std::string colors = jpeg_of_three_scans();
  for (const std::string& jpeg : {without_scans_from(progressive, 1), without_scans_from(progressive, 5),
                                  without_scans_from(colors, 1), without_scans_from(colors, 2)}) {
    ASSERT_FALSE(jpeg.empty());
    write_bytes(folder_ / "scans.jpg", jpeg);
    EXPECT_TRUE(
        mentions(input_error([&] { decode_image(folder_ / "scans.jpg"); }), "last scans are missing"));
  }
}

TEST_F(Decode, RefusesStrayBytesWithinAJpegAndTakesThoseBehindIt) {
  const std::string jpeg = sample_jpeg();
  const std::string stray(20, '\0');
  write_bytes(folder_ / "within.jpg", jpeg.substr(0, jpeg.size() - 2) + stray + "\xff\xd9");
  EXPECT_TRUE(
      mentions(input_error([&] { decode_image(folder_ / "within.jpg"); }), "extraneous bytes before"));
  write_bytes(folder_ / "behind.jpg", jpeg + stray + jpeg.substr(0, 100));
  expect_same(decode_image(folder_ / "behind.jpg"), decode_image(folder_ / "sample.jpg"), "stray bytes");
}

TEST_F(Decode, RefusesJpegsWhoseErrorComesBehindAWarning) {
  const Path root = shared_images().parent_path() / "cases" / "21-jpeg-fatal-after-warning" / "data";
  if (!std::filesystem::is_directory(root)) GTEST_SKIP() << "no " << root << "; set NORMGRAFT_DATA";
  for (const char* name : {"c01/cut1.jpg", "c02/random2.jpg", "c03/cut3.jpg", "c04/random4.jpg"}) {
    EXPECT_TRUE(mentions(input_error([&] { decode_image(root / name); }), "truncated or damaged")) << name;
  }
}

TEST_F(Decode, RefusesAPngWhereverItEndsAndTakesBytesBehindIt) {
  pillow_.make(folder_ / "whole.png", "RGB", 20, 16);
  pillow_.run();
  const std::string png = read_file(folder_ / "whole.png", "sample");
  for (size_t length = 0; length < png.size(); ++length) {
    write_bytes(folder_ / "truncated.png", png.substr(0, length));
    EXPECT_TRUE(mentions(input_error([&] { decode_image(folder_ / "truncated.png"); }), "truncated.png"))
        << length;
  }
  write_bytes(folder_ / "behind.png", png + png.substr(0, 50));
  expect_same(decode_image(folder_ / "behind.png"), decode_image(folder_ / "whole.png"), "stray bytes");
}

TEST_F(Decode, RefusesAPngWithAnyBitChanged) {
  pillow_.make(folder_ / "whole.png", "RGB", 20, 16, {{"save", {{"dpi", {72, 72}}}}});
  pillow_.run();
  const std::string png = read_file(folder_ / "whole.png", "sample");
  ASSERT_NE(png.find("pHYs"), std::string::npos);
  for (size_t byte = 0; byte < png.size(); ++byte) {
    std::string changed = png;
    changed[byte] = static_cast<char>(changed[byte] ^ 1 << byte % 8);
    write_bytes(folder_ / "changed.png", changed);
    EXPECT_TRUE(mentions(input_error([&] { decode_image(folder_ / "changed.png"); }), "changed.png")) << byte;
  }
}

TEST_F(Decode, NamesAFileThatIsNoPicture) {
  write_bytes(folder_ / "text.jpg", "not a picture");
  write_bytes(folder_ / "empty.jpg", "");
  EXPECT_TRUE(
      mentions(input_error([&] { decode_image(folder_ / "text.jpg"); }), "text.jpg is none: expected"));
  EXPECT_TRUE(
      mentions(input_error([&] { decode_image(folder_ / "empty.jpg"); }), "empty.jpg is none: expected"));
  EXPECT_TRUE(mentions(input_error([&] { decode_image(folder_ / "none.jpg"); }), "not found"));
}

TEST_F(Decode, RefusesAbsurdSizesBeforeMakingRoomForThem) {
  std::string jpeg = sample_jpeg();
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\x7f\xff\x7f\xff");
  write_bytes(folder_ / "huge.jpg", jpeg);
  EXPECT_TRUE(mentions(input_error([&] { decode_image(folder_ / "huge.jpg"); }), "32767 x 32767"));
}

TEST_F(Decode, ReadsBackWhatWritePngWrote) {
  Image image{31, 17, {}};
  for (int i = 0; i < 31 * 17 * 3; ++i) image.rgb.push_back(static_cast<uint8_t>(i * 37 / 5));
  write_png(folder_ / "below/it.png", image);
  expect_same(decode_image(folder_ / "below/it.png"), image, "round trip");
}

}  // namespace
}  // namespace normgraft
