#include <csetjmp>
#include <cstdio>
// The header of libjpeg needs what is above.
#include <jpeglib.h>

#include <algorithm>
#include <vector>

#include "codecs.h"

namespace normgraft {
namespace {

/// Takes a warning for an error, and leaves the library at the first of either.
struct ErrorManager {
  jpeg_error_mgr base;
  std::jmp_buf escape;
  char complaint[JMSG_LENGTH_MAX];

  [[noreturn]] static void give_up(j_common_ptr codec) {
    auto* errors = reinterpret_cast<ErrorManager*>(codec->err);
    errors->base.format_message(codec, errors->complaint);
    std::longjmp(errors->escape, 1);
  }
  static void hear(j_common_ptr codec, int level) {
    if (level < 0) give_up(codec);  // the others tell what is being done
  }
};

class Decompressor {
 public:
  explicit Decompressor(const Path& path) : path_(path) {
    codec_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = ErrorManager::give_up;
    errors_.base.emit_message = ErrorManager::hear;
    attempt([&] { jpeg_create_decompress(&codec_); });
  }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor() { jpeg_destroy_decompress(&codec_); }

  jpeg_decompress_struct& codec() { return codec_; }

  /// Calls the library. Throws InputError when it complains: `step` is left by a jump then, and must not own
  /// anything.
  template <class Step>
  void attempt(Step step) {
    if (setjmp(errors_.escape) != 0) throw damaged_picture(path_, errors_.complaint);
    step();
  }

 private:
  const Path& path_;
  ErrorManager errors_{};
  jpeg_decompress_struct codec_{};
};

/// Whether the scans that were read hold all of the picture. What is missing would be guessed without a word.
bool all_scans_seen(const jpeg_decompress_struct& codec) {
  for (int c = 0; c < codec.num_components; ++c) {
    if (codec.comp_info[c].quant_table == nullptr) return false;  // taken over with a component's first scan
    if (!codec.progressive_mode) continue;
    const auto& missing_bits = codec.coef_bits[c];
    if (std::any_of(missing_bits, missing_bits + DCTSIZE2, [](int bits) { return bits != 0; })) return false;
  }
  return true;
}

/// Four inks to RGB. As Adobe's programs write them, 255 stands for no ink.
void convert_inverted_inks(std::vector<uint8_t>& inks, std::vector<uint8_t>& rgb) {
  for (uint8_t& ink : inks) ink = static_cast<uint8_t>(255 - ink);
  for (size_t pixel = 0; pixel < rgb.size() / 3; ++pixel) inks_to_rgb(&inks[pixel * 4], &rgb[pixel * 3]);
}

}  // namespace

Image decode_jpeg(const std::string& bytes, const Path& path) {
  Decompressor decompressor(path);
  jpeg_decompress_struct& codec = decompressor.codec();
  decompressor.attempt([&] {
    jpeg_mem_src(&codec, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_read_header(&codec, TRUE);
  });
  Image image = blank_image(codec.image_width, codec.image_height, path);

  const bool has_inks = codec.jpeg_color_space == JCS_CMYK || codec.jpeg_color_space == JCS_YCCK;
  codec.out_color_space = has_inks ? JCS_CMYK : JCS_RGB;
  codec.dct_method = JDCT_ISLOW;
  std::vector<uint8_t> inks(has_inks ? image.rgb.size() / 3 * 4 : 0);
  uint8_t* const pixels = has_inks ? inks.data() : image.rgb.data();
  decompressor.attempt([&] {
    jpeg_start_decompress(&codec);
    const size_t row_bytes = size_t{codec.output_width} * static_cast<size_t>(codec.output_components);
    while (codec.output_scanline < codec.output_height) {
      JSAMPROW row = pixels + codec.output_scanline * row_bytes;
      jpeg_read_scanlines(&codec, &row, 1);
    }
  });
  if (!all_scans_seen(codec)) throw damaged_picture(path, "its last scans are missing");
  decompressor.attempt([&] { jpeg_finish_decompress(&codec); });
  if (has_inks) convert_inverted_inks(inks, image.rgb);
  return image;
}

}  // namespace normgraft
